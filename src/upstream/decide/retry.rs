//! Whether a call is sent again, and when.

use std::time::Duration;

use crate::status::Code;

/// Which calls are sent again beside those that the backend cannot have acted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retries {
    /// How often a call is sent in all. Default 1: not again.
    pub attempts: u32,
    /// The codes of answers after which it is.
    pub on: Codes,
    /// The pause before the second time, which doubles with each further one. Default 25 ms.
    pub backoff: Duration,
    /// The longest pause. Default 1 s.
    pub max_backoff: Duration,
    /// How many of the calls may be sent again, in millionths of them; see [`budget`](super::budget). Default a fifth.
    pub budget: u32,
    /// How long a call is waited for until another target is asked, if there may be another attempt. Default: to its
    /// deadline.
    pub attempt_timeout: Option<Duration>,
    /// How long an answer is waited for until the call is sent to another target as well. Default: that is not done.
    pub hedge_after: Option<Duration>,
    /// Whether methods are sent again, too, that are not declared to be NO_SIDE_EFFECTS or IDEMPOTENT.
    pub unsafe_methods: bool,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            attempts: 1,
            on: Codes::default(),
            backoff: Duration::from_millis(25),
            max_backoff: Duration::from_secs(1),
            budget: 200_000,
            attempt_timeout: None,
            hedge_after: None,
            unsafe_methods: false,
        }
    }
}

/// A set of codes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Codes(u32);

impl FromIterator<Code> for Codes {
    fn from_iter<I: IntoIterator<Item = Code>>(codes: I) -> Self {
        Self(codes.into_iter().fold(0, |set, code| set | 1 << code.number()))
    }
}

impl Codes {
    /// Whether a code is among them.
    pub const fn has(self, code: Code) -> bool {
        self.0 >> code.number() & 1 == 1
    }
}

/// Why a call could be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum Cause {
    /// The request surely did not reach the backend's code.
    Unsent,
    /// The backend refused the stream before any processing.
    Refused,
    /// The connection broke before an answer. `served` says whether the backend had ever answered on it.
    Lost { served: bool },
    /// The backend answered with this code, and perhaps said when to come again.
    Answered(Code, Pushback),
    /// There was no answer in the time of an attempt, and the budget has been asked already.
    Hung,
}

/// What the backend says about when a call may be sent again, in `grpc-retry-pushback-ms` (gRFC A6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum Pushback {
    /// Nothing.
    Silent,
    /// After this time.
    After(Duration),
    /// Not at all. Also what is no number.
    Never,
}

impl Pushback {
    /// Reads the value of the field.
    pub(in crate::upstream) fn read(value: Option<&[u8]>) -> Self {
        let Some(value) = value else { return Self::Silent };
        let milliseconds = std::str::from_utf8(value).ok().and_then(|text| text.parse::<u32>().ok());
        milliseconds
            .map_or(Self::Never, |milliseconds| Self::After(Duration::from_millis(milliseconds.into())))
    }
}

/// The tries of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream) struct Tries {
    /// All of them, the one that goes on included.
    pub(in crate::upstream) count: u32,
    was_refused: bool,
    was_lost: bool,
    /// Pauses so far.
    pauses: u32,
}

/// How often a call is sent at most when it never reaches a backend.
pub(in crate::upstream) const UNSENT: u32 = 3;

/// How a call goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum Next {
    /// It has failed.
    Stop,
    /// It is sent again after a pause; if `paid`, only if the budget allows it.
    Again { pause: Duration, paid: bool },
}

impl Tries {
    /// The first.
    pub(in crate::upstream) const fn first() -> Self {
        Self { count: 1, was_refused: false, was_lost: false, pauses: 0 }
    }

    /// Whether a call of a method that may be repeated is sent again in any case where it was not answered.
    pub(in crate::upstream) const fn may_hang(&self, rules: &Retries, is_repeatable: bool) -> bool {
        self.count < rules.attempts && (is_repeatable || rules.unsafe_methods)
    }

    /// What comes after a try that failed. `is_repeatable` says whether the method is declared to be safe to repeat;
    /// `random` makes the jitter.
    pub(in crate::upstream) fn next(
        &mut self,
        cause: Cause,
        rules: &Retries,
        is_repeatable: bool,
        random: u32,
    ) -> Next {
        let next = self.judge(cause, rules, is_repeatable, random);
        if let Next::Again { .. } = next {
            self.count += 1;
        }
        next
    }

    fn judge(&mut self, cause: Cause, rules: &Retries, is_repeatable: bool, random: u32) -> Next {
        let free = Next::Again { pause: Duration::ZERO, paid: false };
        let (is_first, has_more) = (self.count < UNSENT, self.count < rules.attempts);
        match cause {
            Cause::Hung => free,
            Cause::Unsent if is_first => free,
            Cause::Refused if is_first && !std::mem::replace(&mut self.was_refused, true) => free,
            // A connection that worked and broke is a backend that stops: its calls move once, however many they are.
            Cause::Lost { served: true }
                if is_repeatable && is_first && !std::mem::replace(&mut self.was_lost, true) =>
            {
                free
            }
            Cause::Lost { .. } if is_repeatable && (is_first || has_more) => {
                Next::Again { pause: Duration::ZERO, paid: true }
            }
            // For the caller it is UNAVAILABLE.
            Cause::Lost { .. } if rules.unsafe_methods && rules.on.has(Code::Unavailable) && has_more => {
                Next::Again { pause: Duration::ZERO, paid: true }
            }
            Cause::Answered(code, pushback)
                if rules.on.has(code) && has_more && (is_repeatable || rules.unsafe_methods) =>
            {
                match pushback {
                    Pushback::Never => Next::Stop,
                    Pushback::After(pause) => Next::Again { pause, paid: true },
                    Pushback::Silent => Next::Again { pause: self.pause(rules, random), paid: true },
                }
            }
            _ => Next::Stop,
        }
    }

    fn pause(&mut self, rules: &Retries, random: u32) -> Duration {
        let pause = super::backoff::pause(rules.backoff, rules.max_backoff, self.pauses, random);
        self.pauses += 1;
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Retries {
        Retries {
            attempts: 3,
            on: [Code::Unavailable, Code::Aborted].into_iter().collect(),
            ..Retries::default()
        }
    }

    const FREE: Next = Next::Again { pause: Duration::ZERO, paid: false };
    const PAID: Next = Next::Again { pause: Duration::ZERO, paid: true };

    /// How a call goes on after each of these, up to where it stops.
    fn run(causes: &[Cause], rules: &Retries, is_repeatable: bool) -> Vec<Next> {
        let mut tries = Tries::first();
        causes.iter().map(|cause| tries.next(*cause, rules, is_repeatable, u32::MAX)).collect()
    }

    fn after(milliseconds: u64) -> Next {
        Next::Again { pause: Duration::from_millis(milliseconds), paid: true }
    }

    #[test]
    fn what_never_reached_a_backend_is_sent_three_times_whatever_the_method() {
        for rules in [Retries::default(), rules()] {
            assert_eq!(run(&[Cause::Unsent; 3], &rules, false), [FREE, FREE, Next::Stop]);
            assert_eq!(run(&[Cause::Refused; 2], &rules, false), [FREE, Next::Stop]);
            assert_eq!(
                run(&[Cause::Refused, Cause::Unsent, Cause::Unsent], &rules, false),
                [FREE, FREE, Next::Stop]
            );
        }
    }

    #[test]
    fn what_was_lost_moves_once_for_free_and_only_if_it_may_be_repeated() {
        let served = Cause::Lost { served: true };
        let fresh = Cause::Lost { served: false };
        let rules = Retries::default();
        assert_eq!(run(&[served], &rules, false), [Next::Stop]);
        assert_eq!(run(&[served, served, served], &rules, true), [FREE, PAID, Next::Stop]);
        assert_eq!(run(&[fresh, served, fresh], &rules, true), [PAID, FREE, Next::Stop]);
        let rules = Retries { unsafe_methods: true, ..self::rules() };
        assert_eq!(run(&[served, fresh, served], &rules, false), [PAID, PAID, Next::Stop]);
        let rules = Retries { on: [Code::Aborted].into_iter().collect(), ..rules };
        assert_eq!(run(&[served], &rules, false), [Next::Stop]);
    }

    #[test]
    fn answers_are_repeated_by_their_codes_with_growing_pauses() {
        let answered = |code| Cause::Answered(code, Pushback::Silent);
        let unavailable = answered(Code::Unavailable);
        let all = run(&[unavailable, answered(Code::Aborted), unavailable], &rules(), true);
        assert_eq!(all, [after(25), after(50), Next::Stop], "three attempts in all");
        assert_eq!(run(&[unavailable], &rules(), false), [Next::Stop], "it may have side effects");
        let all = run(&[unavailable], &Retries { unsafe_methods: true, ..rules() }, false);
        assert_eq!(all, [after(25)]);
        assert_eq!(run(&[answered(Code::Internal)], &rules(), true), [Next::Stop]);
        assert_eq!(run(&[unavailable], &Retries::default(), true), [Next::Stop]);
        assert_eq!(
            run(&[Cause::Unsent, unavailable, unavailable], &rules(), true),
            [FREE, after(25), Next::Stop]
        );
    }

    #[test]
    fn backends_say_when() {
        let with = |pushback| run(&[Cause::Answered(Code::Unavailable, pushback)], &rules(), true)[0];
        for (value, expected) in [
            (None, after(25)),
            (Some("0"), after(0)),
            (Some("1500"), after(1500)),
            (Some("-1"), Next::Stop),
            (Some(""), Next::Stop),
            (Some("soon"), Next::Stop),
            (Some("99999999999"), Next::Stop),
        ] {
            assert_eq!(with(Pushback::read(value.map(str::as_bytes))), expected, "{value:?}");
        }
        assert_eq!(Pushback::read(Some(b"\xff")), Pushback::Never);
    }

    #[test]
    fn another_target_is_asked_only_where_there_is_another_attempt() {
        let mut tries = Tries::first();
        assert!(tries.may_hang(&rules(), true) && !tries.may_hang(&rules(), false));
        assert!(tries.may_hang(&Retries { unsafe_methods: true, ..rules() }, false));
        assert_eq!(
            (tries.next(Cause::Hung, &rules(), true, 0), tries.may_hang(&rules(), true)),
            (FREE, true)
        );
        assert_eq!(
            (tries.next(Cause::Hung, &rules(), true, 0), tries.may_hang(&rules(), true)),
            (FREE, false)
        );
        assert!(!Tries::first().may_hang(&Retries::default(), true));
    }
}
