//! What becomes of targets by what their calls come to.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{MutexGuard, PoisonError};

use tokio::time::Instant;

use super::super::decide::outlier::{Change, Outliers, Why};
use super::super::decide::panic::is_panic;
use super::super::decide::rates::{Seen, is_slow};
use super::{EJECTED, FAILING, GONE, Group, Known, Member};

impl Group {
    /// A call was answered. If it says how the target answers, it comes with when it was sent.
    pub(in crate::upstream) fn succeeded(&self, member: &Member, sent: Option<Instant>) {
        if self.counting.is_on() {
            self.count(member, sent);
        }
        if !member.has(FAILING | EJECTED) {
            return;
        }
        let mut known = member.lock();
        let now = self.now();
        let change = known.record.succeeded(now);
        member.mark(FAILING, false);
        if change == Change::Returned {
            member.mark(EJECTED, false);
            known.ejected = None;
            self.ejected.fetch_sub(1, Relaxed);
            member.outcomes.clear();
            self.shares.came(&member.share, now);
            drop(known);
            let (upstream, target) = (&*self.name, &*member.name);
            tracing::info!(upstream, target, "a backend answers again and has its calls back");
            self.look_around();
        }
    }

    /// Counts an answer.
    fn count(&self, member: &Member, sent: Option<Instant>) {
        let at = Instant::now();
        let now = self.time(at);
        if self.counting.answered(now) {
            tracing::info!(upstream = &*self.name, "calls are answered again, so all are let through");
        }
        let Some(tick) = self.counting.tick(now) else { return };
        let took = |sent| u64::try_from(at.saturating_duration_since(sent).as_micros()).unwrap_or(u64::MAX);
        // Once for each tick is often enough.
        if member.outcomes.answered(tick, sent.map(took)) {
            self.compare(member, now, tick);
        }
    }

    /// Holds the times of a target against those of the others.
    fn compare(&self, member: &Member, now: u64, tick: u64) {
        let outliers = self.rules().outliers;
        let Some((rules, times)) = outliers.and_then(|rules| Some((rules, rules.slower_than?))) else {
            return;
        };
        let typical = |member: &Member| member.outcomes.seen(tick).typical(rules.min_calls);
        let Some(own) = typical(member) else { return };
        let members = self.members();
        let others = members.iter().filter(|other| !std::ptr::eq(&***other, member) && other.is_usable());
        let mut others: Vec<u64> = others.filter_map(|other| typical(other)).collect();
        if !is_slow(own, &mut others, times) {
            return;
        }
        let mut known = member.lock();
        if !member.has(GONE) {
            let change = known.record.slow(now, &rules, || self.may_eject(rules.most(members.len())));
            self.note(member, known, change);
        }
    }

    fn may_eject(&self, most: usize) -> bool {
        let another = |ejected: usize| (ejected < most).then(|| ejected + 1);
        self.ejected.fetch_update(Relaxed, Relaxed, another).is_ok()
    }

    /// A call failed by the target's fault.
    pub(in crate::upstream) fn failed(&self, member: &Member) {
        let now = self.now();
        let (seen, outliers) = self.count_failure(member, now);
        let Some(rules) = outliers else { return };
        let most = rules.most(self.lock().len());
        let mut known = member.lock();
        if member.has(GONE) {
            return;
        }
        let is_often = seen.is_some_and(|seen| rules.fails(seen));
        let change = known.record.failed(now, &rules, is_often, || self.may_eject(most));
        member.mark(FAILING, true);
        self.note(member, known, change);
    }

    /// A call was lost with its connection, of which it is known already that it broke.
    pub(in crate::upstream) fn lost(&self, member: &Member) {
        self.count_failure(member, self.now());
    }

    /// Counts a failure, and says what the calls of the target have come to, if they are counted.
    fn count_failure(&self, member: &Member, now: u64) -> (Option<Seen>, Option<Outliers>) {
        let (outliers, trip) = {
            let rules = self.rules();
            (rules.outliers, rules.circuit.trip)
        };
        if trip.is_some_and(|trip| self.counting.failed(now, &trip)) {
            let upstream = &*self.name;
            tracing::warn!(upstream, "too many calls fail, so that none is let through for a while");
        }
        let seen = self.counting.tick(now).map(|tick| {
            member.outcomes.failed(tick);
            member.outcomes.seen(tick)
        });
        (seen, outliers)
    }

    /// Notes that a target is left alone, if it is.
    fn note(&self, member: &Member, mut known: MutexGuard<'_, Known>, change: Change) {
        let Change::Ejected { milliseconds, why } = change else { return };
        member.mark(EJECTED, true);
        known.ejected.get_or_insert_with(|| self.meters.ejected.hold());
        let failures = known.record.failures();
        drop(known);
        self.meters.ejected_for(why);
        let (upstream, target) = (&*self.name, &*member.name);
        let again = why == Why::Again;
        match why {
            Why::InARow | Why::Again => tracing::warn!(
                upstream,
                target,
                failures,
                milliseconds,
                again,
                "calls to a backend fail one after the other, so it is left alone for a while"
            ),
            Why::Rate => {
                let text = "too many calls to a backend fail, so it is left alone for a while";
                tracing::warn!(upstream, target, milliseconds, "{text}");
            }
            Why::Slow => {
                let text = "a backend takes much longer than others, so it is left alone for a while";
                tracing::warn!(upstream, target, milliseconds, "{text}");
            }
        }
        self.look_around();
    }

    /// Finds out whether so many targets are left out that all are used.
    pub(super) fn look_around(&self) {
        let threshold = self.rules().panic_threshold;
        // Held to the end, so that who looks last has the last word.
        let members = self.lock();
        let usable = members.iter().filter(|member| member.is_usable()).count();
        let panics = is_panic(usable, members.len(), threshold);
        if self.panics.swap(panics, Relaxed) == panics {
            return;
        }
        let held = panics.then(|| self.meters.panics.hold());
        *self.panic.lock().unwrap_or_else(PoisonError::into_inner) = held;
        let (upstream, all) = (&*self.name, members.len());
        if panics {
            tracing::warn!(upstream, usable, all, "so many backends are left out that all are used");
        } else {
            tracing::info!(upstream, usable, all, "enough backends are well, so the others are left out");
        }
    }
}
