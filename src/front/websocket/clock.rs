//! The times of a socket, behind one timer that moves only when it fires: a message sets flags and reads no clock.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::super::Stopping;
use super::close::{DURATION, IDLE, RESTART};
use crate::call::service::BoxFuture;
use crate::snapshot::Sockets;
use crate::wire::websocket::Flaw;

/// How long the client may take to answer a close frame.
const FAREWELL: Duration = Duration::from_secs(3);
/// How many control frames may come between two ticks.
const CONTROLS: u32 = 1_000;
/// Once the server stops, a socket on which nothing passes for so long is closed.
const QUIET: Duration = Duration::from_secs(1);

/// What has to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Ask whether the client is there.
    Ping,
    /// Close the socket.
    End(Flaw),
    /// Nobody is there: end the connection.
    Lost,
}

/// The times of one socket.
pub(super) struct Clock {
    limits: Sockets,
    opened: Instant,
    timer: Pin<Box<Sleep>>,
    /// Who has been promised to be woken by the timer and the end of the server. Neither is asked again before it has
    /// something to say: both would take a lock.
    woken: Option<Waker>,
    /// Whether the server is to stop, and what resolves then.
    stop: Option<(Stopping, BoxFuture<()>)>,
    /// When a socket is closed on which something passes all the time.
    stop_by: Option<Instant>,
    /// Since the last tick: whether anything came from the client, and whether a message passed.
    has_received: bool,
    has_passed: bool,
    /// When a message had passed, as far as ticks tell.
    last: Instant,
    /// Whether a ping was sent that nothing came after.
    is_asked: bool,
    was_quiet: bool,
    /// Whether the client does not take what is written, and since when, as far as ticks tell.
    is_stalled: bool,
    stalled: Option<Instant>,
    is_closing: bool,
    controls: u32,
    /// How many messages may come now, and since when that is so.
    allowance: f64,
    refilled: Instant,
}

impl Clock {
    /// A clock for a socket that is opened now.
    pub(super) fn new(limits: Sockets, stopping: Option<Stopping>) -> Self {
        let now = Instant::now();
        let mut clock = Self {
            limits,
            opened: now,
            timer: Box::pin(sleep_until(now)),
            woken: None,
            stop: stopping.map(|stopping| {
                let given = stopping.0.given();
                (stopping, given)
            }),
            stop_by: None,
            has_received: false,
            has_passed: false,
            last: now,
            is_asked: false,
            was_quiet: false,
            is_stalled: false,
            stalled: None,
            is_closing: false,
            controls: CONTROLS,
            allowance: limits.rate.map_or(0.0, |rate| 2.0 * f64::from(rate)),
            refilled: now,
        };
        clock.arm(now);
        clock
    }

    /// Something came from the client.
    pub(super) const fn received(&mut self) {
        self.has_received = true;
    }

    /// A message passed, in either direction.
    pub(super) const fn passed(&mut self) {
        self.has_passed = true;
    }

    /// Whether the client takes what is written.
    pub(super) const fn stalls(&mut self, is_stalled: bool) {
        if !is_stalled && self.is_stalled {
            // Whoever takes something is there, though a ping may be far behind in what is on the way.
            self.has_received = true;
            self.stalled = None;
        }
        self.is_stalled = is_stalled;
    }

    /// A control frame came. Says whether it may.
    pub(super) const fn may_control(&mut self) -> bool {
        self.controls = self.controls.saturating_sub(1);
        self.controls > 0
    }

    /// A message came. Says whether it may.
    pub(super) fn may_send(&mut self) -> bool {
        let Some(rate) = self.limits.rate.map(f64::from) else { return true };
        if self.allowance < 1.0 {
            let now = Instant::now();
            let more = rate * now.duration_since(self.refilled).as_secs_f64();
            self.allowance = (self.allowance + more).min(2.0 * rate);
            self.refilled = now;
        }
        self.allowance -= 1.0;
        self.allowance >= 0.0
    }

    /// A close frame was written, to which an answer is waited for.
    pub(super) fn closing(&mut self) {
        self.is_closing = true;
        self.set(Instant::now() + FAREWELL);
    }

    /// Whether nothing came between the last two ticks.
    pub(super) const fn was_quiet(&mut self) -> bool {
        std::mem::replace(&mut self.was_quiet, false)
    }

    /// What is to be done now. `is_held` says that the client is not listened to at the moment; `finishes` that the call
    /// will end by itself before long.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, is_held: bool, finishes: bool) -> Poll<Due> {
        loop {
            self.ask_to_be_woken(cx);
            if self.stop.as_ref().is_some_and(|(stopping, _)| stopping.0.is_given()) {
                self.stop = None;
                let now = Instant::now();
                self.stop_by = Some(now + self.limits.drain / 2);
                if !self.is_closing {
                    self.has_passed = false;
                    self.arm(now);
                }
                continue;
            }
            if !self.timer.is_elapsed() {
                return Poll::Pending;
            }
            if self.is_closing {
                return Poll::Ready(Due::Lost);
            }
            let now = Instant::now();
            let due = self.tick(now, is_held, finishes);
            self.arm(now);
            if let Some(due) = due {
                return Poll::Ready(due);
            }
        }
    }

    /// Once for each waker and each time that the timer is set.
    fn ask_to_be_woken(&mut self, cx: &mut Context<'_>) {
        if self.woken.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            return;
        }
        self.woken = Some(cx.waker().clone());
        // What they answer is asked for behind this.
        if let Some((_, given)) = &mut self.stop {
            let _ = given.as_mut().poll(cx);
        }
        let _ = self.timer.as_mut().poll(cx);
    }

    fn tick(&mut self, now: Instant, is_held: bool, finishes: bool) -> Option<Due> {
        let has_received = std::mem::take(&mut self.has_received);
        let has_passed = std::mem::take(&mut self.has_passed);
        if has_passed {
            self.last = now;
        }
        self.was_quiet = !has_received;
        self.controls = CONTROLS;
        if let Some(by) = self.stop_by
            && (now >= by || !(has_passed || finishes))
        {
            return Some(Due::End(RESTART));
        }
        if self.limits.duration.is_some_and(|duration| now >= self.opened + duration) {
            return Some(Due::End(DURATION));
        }
        if now >= self.last + self.limits.idle {
            return Some(Due::End(IDLE));
        }
        if self.is_stalled {
            let since = *self.stalled.get_or_insert(now);
            if now >= since + self.limits.write {
                return Some(Due::Lost);
            }
        }
        if has_received || is_held || self.is_stalled || self.stop_by.is_some() {
            self.is_asked = false;
            return None;
        }
        if std::mem::replace(&mut self.is_asked, true) { Some(Due::Lost) } else { Some(Due::Ping) }
    }

    fn arm(&mut self, now: Instant) {
        let tick = if self.stop_by.is_some() { QUIET } else { self.limits.ping.min(self.limits.idle) };
        let at = now + if self.is_stalled { tick.min(self.limits.write) } else { tick };
        let end = self.limits.duration.map(|duration| self.opened + duration).filter(|end| *end > now);
        self.set(end.map_or(at, |end| end.min(at)));
    }

    fn set(&mut self, at: Instant) {
        self.timer.as_mut().reset(at);
        self.woken = None;
    }
}
