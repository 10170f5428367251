//! When a call that is not answered yet is sent to another target as well: hedging, as gRFC A6 describes it.
//!
//! The tries of a call then run side by side. Another one begins when none has answered for a while, or in place of one
//! that failed in a way that is worth another try. The first good answer is that of the call; an error that no other try
//! could change is as well. What cannot be changed any more waits for the tries that still run.

use std::time::Duration;

use super::retry::{Cause, Next, Pushback, Retries, Tries};

/// The tries of one call, side by side. Times are counted from when the call began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::upstream) struct Race {
    tries: Tries,
    /// When the next try begins, if one does.
    due: Option<Due>,
    /// No try begins any more.
    is_closed: bool,
}

/// A try that is to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream) struct Due {
    pub(in crate::upstream) at: Duration,
    /// Whether it begins beside others that go on, for which the budget is to be asked; else it takes the place of one
    /// that failed, for which it was asked.
    pub(in crate::upstream) is_hedge: bool,
}

/// What a try that failed means for the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum Verdict {
    /// The call has failed with it.
    Over,
    /// Another try may still answer.
    Wait,
    /// Another one takes its place at this time; if `paid`, only if the budget allows it.
    Again { at: Duration, paid: bool },
}

impl Race {
    /// A call whose first try begins now.
    pub(in crate::upstream) fn start(rules: &Retries) -> Self {
        let mut race = Self { tries: Tries::first(), due: None, is_closed: false };
        race.wait(Duration::ZERO, rules);
        race
    }

    /// All tries so far, those included that are to take the place of others.
    pub(in crate::upstream) const fn count(&self) -> u32 {
        self.tries.count
    }

    /// The next try, if there is to be one.
    pub(in crate::upstream) const fn due(&self) -> Option<Due> {
        self.due
    }

    /// The try that was due has begun.
    pub(in crate::upstream) fn began(&mut self, now: Duration, rules: &Retries) {
        if self.due.take().is_some_and(|due| due.is_hedge) {
            self.tries.count += 1;
        }
        self.wait(now, rules);
    }

    /// The try that was due does not begin. Others may, in place of those that fail.
    pub(in crate::upstream) const fn skip(&mut self) {
        self.due = None;
    }

    /// No try begins any more.
    pub(in crate::upstream) const fn close(&mut self) {
        self.due = None;
        self.is_closed = true;
    }

    /// A try failed. Without a cause no other one could change that. `is_repeatable` and `random` are those of
    /// [`Tries::next`].
    pub(in crate::upstream) fn failed(
        &mut self,
        now: Duration,
        cause: Option<Cause>,
        rules: &Retries,
        is_repeatable: bool,
        random: u32,
    ) -> Verdict {
        let Some(cause) = cause else { return Verdict::Over };
        let mut pushback = Pushback::Silent;
        if let Cause::Answered(code, said) = cause {
            if !rules.on.has(code) {
                return Verdict::Over;
            }
            pushback = said;
        }
        if pushback == Pushback::Never {
            self.close();
        }
        if self.is_closed || self.due.is_some_and(|due| !due.is_hedge) {
            return Verdict::Wait;
        }
        let Next::Again { pause, paid } = self.tries.next(cause, rules, is_repeatable, random) else {
            return Verdict::Wait;
        };
        let mut at = now.saturating_add(pause);
        if let (Pushback::Silent, Some(due)) = (pushback, self.due) {
            at = at.min(due.at);
        }
        self.due = Some(Due { at, is_hedge: false });
        Verdict::Again { at, paid }
    }

    /// Waits for an answer until the next try.
    fn wait(&mut self, now: Duration, rules: &Retries) {
        let Some(after) = rules.hedge_after.filter(|_| !self.is_closed && self.tries.count < rules.attempts)
        else {
            return;
        };
        self.due = Some(Due { at: now.saturating_add(after), is_hedge: true });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Code;

    fn rules() -> Retries {
        Retries {
            attempts: 3,
            on: [Code::Unavailable].into_iter().collect(),
            hedge_after: Some(ms(50)),
            ..Retries::default()
        }
    }

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    const fn hedge(at: u64) -> Option<Due> {
        Some(Due { at: ms(at), is_hedge: true })
    }

    const fn again(at: u64) -> Option<Due> {
        Some(Due { at: ms(at), is_hedge: false })
    }

    const UNAVAILABLE: Option<Cause> = Some(Cause::Answered(Code::Unavailable, Pushback::Silent));

    /// What becomes of a call of a method that may be repeated, with the longest pauses.
    fn fail(race: &mut Race, now: u64, cause: Option<Cause>) -> Verdict {
        race.failed(ms(now), cause, &rules(), true, u32::MAX)
    }

    #[test]
    fn another_try_begins_whenever_none_has_answered_for_a_while() {
        let rules = rules();
        let mut race = Race::start(&rules);
        assert_eq!((race.due(), race.count()), (hedge(50), 1));
        race.began(ms(52), &rules);
        assert_eq!((race.due(), race.count()), (hedge(102), 2));
        race.began(ms(102), &rules);
        assert_eq!((race.due(), race.count()), (None, 3), "three in all");
    }

    #[test]
    fn one_that_failed_is_replaced_without_waiting_for_the_others() {
        let rules = rules();
        let mut race = Race::start(&rules);
        assert_eq!(fail(&mut race, 10, UNAVAILABLE), Verdict::Again { at: ms(35), paid: true });
        assert_eq!((race.due(), race.count()), (again(35), 2));
        race.began(ms(35), &rules);
        assert_eq!(race.due(), hedge(85));
        assert_eq!(fail(&mut race, 80, UNAVAILABLE), Verdict::Again { at: ms(85), paid: true }, "not later");
        race.began(ms(85), &rules);
        assert_eq!(race.due(), None);
        assert_eq!(fail(&mut race, 90, UNAVAILABLE), Verdict::Wait, "there were three");
    }

    #[test]
    fn what_never_reached_a_backend_is_sent_again_at_once_and_for_free() {
        let mut race = Race::start(&rules());
        assert_eq!(fail(&mut race, 3, Some(Cause::Refused)), Verdict::Again { at: ms(3), paid: false });
    }

    #[test]
    fn a_hedge_that_there_is_no_place_for_leaves_what_is_sent_again_as_it_is() {
        let mut race = Race::start(&rules());
        race.skip();
        assert_eq!((race.due(), race.count()), (None, 1));
        assert_eq!(fail(&mut race, 70, Some(Cause::Refused)), Verdict::Again { at: ms(70), paid: false });
        race.skip();
        assert_eq!(fail(&mut race, 70, UNAVAILABLE), Verdict::Again { at: ms(95), paid: true });
    }

    #[test]
    fn two_that_fail_together_are_replaced_by_one() {
        let rules = rules();
        let mut race = Race::start(&rules);
        race.began(ms(50), &rules);
        assert_eq!(fail(&mut race, 60, UNAVAILABLE), Verdict::Again { at: ms(85), paid: true });
        assert_eq!(fail(&mut race, 61, UNAVAILABLE), Verdict::Wait);
        assert_eq!((race.due(), race.count()), (again(85), 3));
    }

    #[test]
    fn errors_that_no_other_try_could_change_end_the_call() {
        for cause in [None, Some(Cause::Answered(Code::NotFound, Pushback::Silent))] {
            assert_eq!(fail(&mut Race::start(&rules()), 1, cause), Verdict::Over);
        }
    }

    #[test]
    fn backends_say_when_the_next_try_begins_or_that_none_does() {
        let answered = |pushback| Some(Cause::Answered(Code::Unavailable, pushback));
        let mut race = Race::start(&rules());
        let later = fail(&mut race, 1, answered(Pushback::After(ms(400))));
        assert_eq!((later, race.due()), (Verdict::Again { at: ms(401), paid: true }, again(401)));
        let mut race = Race::start(&rules());
        assert_eq!((fail(&mut race, 1, answered(Pushback::Never)), race.due()), (Verdict::Wait, None));
        assert_eq!(fail(&mut race, 2, Some(Cause::Unsent)), Verdict::Wait, "none of any kind");
        race.began(ms(3), &rules());
        assert_eq!(race.due(), None);
    }

    #[test]
    fn methods_with_effects_only_move_where_that_is_allowed() {
        let lost = Some(Cause::Lost { served: true });
        let rules = Retries { unsafe_methods: true, ..rules() };
        let mut race = Race::start(&rules);
        let verdict = race.failed(ms(1), lost, &rules, false, 0);
        assert_eq!(verdict, Verdict::Again { at: ms(1), paid: true });
    }
}
