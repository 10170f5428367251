//! What a target's own word about its health comes to.

use std::time::Duration;

/// How targets are asked for their health, by `grpc.health.v1.Health/Check`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The service that is asked for; the empty text for the whole server.
    pub service: String,
    /// How often each target is asked. Default 5 s.
    pub interval: Duration,
    /// How long an answer may take, connecting included. Default 1 s.
    pub timeout: Duration,
    /// After how many bad answers in a row a target is left out. Default 2.
    pub unhealthy: u32,
    /// After how many good answers in a row it is back. Default 1.
    pub healthy: u32,
}

/// The answers of one target in a row.
#[derive(Debug)]
pub(in crate::upstream) struct Pulse {
    is_healthy: bool,
    /// How many answers said the other.
    against: u32,
}

impl Pulse {
    /// A target that was not asked yet is taken for healthy.
    pub(in crate::upstream) const fn new() -> Self {
        Self { is_healthy: true, against: 0 }
    }

    /// Notes an answer, and says what the target is from now on if that has changed.
    pub(in crate::upstream) fn note(&mut self, is_good: bool, settings: &Health) -> Option<bool> {
        if is_good == self.is_healthy {
            self.against = 0;
            return None;
        }
        self.against += 1;
        let needed = if is_good { settings.healthy } else { settings.unhealthy };
        if self.against < needed {
            return None;
        }
        self.against = 0;
        self.is_healthy = is_good;
        Some(is_good)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_answers_in_a_row_as_are_asked_for_change_it() {
        let settings = Health {
            service: String::new(),
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(1),
            unhealthy: 3,
            healthy: 2,
        };
        let mut pulse = Pulse::new();
        let answers = [
            (true, None),
            (false, None),
            (false, None),
            (true, None),
            (false, None),
            (false, None),
            (false, Some(false)),
            (false, None),
            (true, None),
            (false, None),
            (true, None),
            (true, Some(true)),
            (true, None),
        ];
        for (index, (answer, expected)) in answers.into_iter().enumerate() {
            assert_eq!(pulse.note(answer, &settings), expected, "answer {index}");
        }
    }
}
