//! A part that is called for each item of a list.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use bytes::Bytes;

use super::answer::Answer;
use crate::status::Status;

/// The calls of one part for many items. Items with equal requests share one call.
#[derive(Debug)]
pub(super) struct Fan {
    /// The different requests. Those before `next` have been made.
    requests: Vec<Bytes>,
    next: usize,
    /// For each item the position of its request.
    items: Vec<usize>,
    /// For each request what came of it.
    results: Vec<Option<Result<Answer, Status>>>,
    open: usize,
}

impl Fan {
    /// The calls for items with these requests, in their order.
    pub(super) fn new(requests: Vec<Vec<u8>>) -> Self {
        let mut positions: HashMap<Bytes, usize> = HashMap::with_capacity(requests.len());
        let mut unique = Vec::new();
        let items = requests
            .into_iter()
            .map(|request| match positions.entry(request.into()) {
                Entry::Occupied(position) => *position.get(),
                Entry::Vacant(entry) => {
                    unique.push(entry.key().clone());
                    *entry.insert(unique.len() - 1)
                }
            })
            .collect();
        let open = unique.len();
        Self { results: (0..open).map(|_| None).collect(), requests: unique, next: 0, items, open }
    }

    /// The next request that is to be made, with its position.
    pub(super) fn take(&mut self) -> Option<(usize, Bytes)> {
        let request = self.requests.get_mut(self.next)?;
        self.next += 1;
        Some((self.next - 1, std::mem::take(request)))
    }

    /// Notes what came of a request, and says whether that was the last.
    pub(super) fn finish(&mut self, position: usize, result: Result<Answer, Status>) -> bool {
        if let Some(place @ None) = self.results.get_mut(position) {
            *place = Some(result);
            self.open -= 1;
        }
        self.open == 0
    }

    /// Whether there is nothing to wait for.
    pub(super) const fn is_finished(&self) -> bool {
        self.open == 0
    }

    /// For each item what came of it.
    pub(super) fn results(&self) -> impl Iterator<Item = Option<&Result<Answer, Status>>> {
        self.items.iter().map(|position| self.results.get(*position)?.as_ref())
    }
}
