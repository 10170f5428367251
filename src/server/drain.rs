//! The signal that stops the server, shared by all cores.

use std::future::Future;

use tokio::sync::watch;

/// Stops every server that has its [`Signal`].
///
/// Dropping it without a call of [`Drain::stop`] stops them as well: nobody could do it any more.
#[derive(Debug)]
pub struct Drain(watch::Sender<bool>);

/// Tells when to stop. Clones are cheap and see the same signal.
#[derive(Clone, Debug)]
pub struct Signal(watch::Receiver<bool>);

impl Drain {
    /// A drain and its signal.
    pub fn new() -> (Self, Signal) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), Signal(receiver))
    }

    /// Gives the signal: listeners close, idle connections end, and calls in flight finish within the bound of
    /// [`super::limits::Limits::drain_timeout`]. Giving it again changes nothing.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Signal {
    /// Whether the signal was given.
    pub fn is_given(&self) -> bool {
        // As long as nothing has changed, this takes no lock: nobody marks the change of this receiver as seen.
        match self.0.has_changed() {
            Ok(false) => false,
            Ok(true) => *self.0.borrow(),
            Err(_) => true,
        }
    }

    /// Resolves once the signal is given, at once if it was given before.
    pub fn given(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut receiver = self.0.clone();
        async move {
            // An error means that the drain is gone, which counts as the signal.
            let _ = receiver.wait_for(|stop| *stop).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_signal_reaches_clones_early_and_late() {
        let (drain, signal) = Drain::new();
        let early = tokio::spawn(signal.clone().given());
        assert!(!signal.is_given());
        drain.stop();
        drain.stop();
        early.await.expect("the task ends");
        assert!(signal.is_given());
        signal.given().await;
    }

    #[tokio::test]
    async fn a_lost_drain_stops_too() {
        let (drain, signal) = Drain::new();
        drop(drain);
        assert!(signal.is_given());
        signal.given().await;
    }
}
