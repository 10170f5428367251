//! What became of the parts of a call that is answered by several.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::status::Code;

/// Where whoever answers a call in parts notes what becomes of each, for those who observe it.
#[derive(Debug, Default)]
pub struct Parts(Mutex<Vec<Part>>);

/// A part that was begun.
#[derive(Clone, Copy, Debug)]
struct Part {
    position: usize,
    began: Instant,
    /// How it ended, and how long it took.
    ended: Option<(Code, Duration)>,
}

impl Parts {
    /// Notes that the part at this position begins.
    pub fn begin(&self, position: usize) {
        self.noted().push(Part { position, began: Instant::now(), ended: None });
    }

    /// Notes how a part that was begun has ended; the first end counts.
    pub fn end(&self, position: usize, code: Code) {
        if let Some(part) = self.noted().iter_mut().find(|part| part.position == position)
            && part.ended.is_none()
        {
            part.ended = Some((code, part.began.elapsed()));
        }
    }

    /// How a part has ended, and how long it took: CANCELLED as long as it has not ended; nothing if it was not begun.
    pub fn outcome(&self, position: usize) -> Option<(Code, Duration)> {
        let noted = self.noted();
        let part = noted.iter().find(|part| part.position == position)?;
        Some(part.ended.unwrap_or_else(|| (Code::Cancelled, part.began.elapsed())))
    }

    fn noted(&self) -> MutexGuard<'_, Vec<Part>> {
        // Each change is one step, so a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_end_of_a_part_counts() {
        let parts = Parts::default();
        parts.begin(3);
        tokio::time::advance(Duration::from_millis(2)).await;
        assert_eq!(parts.outcome(3), Some((Code::Cancelled, Duration::from_millis(2))));
        parts.end(3, Code::Ok);
        parts.end(0, Code::Ok);
        tokio::time::advance(Duration::from_millis(2)).await;
        parts.end(3, Code::Unavailable);
        assert_eq!(parts.outcome(3), Some((Code::Ok, Duration::from_millis(2))));
        assert_eq!(parts.outcome(0), None);
    }
}
