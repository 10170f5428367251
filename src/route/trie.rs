//! The tree of all templates of a table, by segment.
//!
//! Templates that differ only in the names of their variables share a node. At a node, `literals`, `any`
//! and `rest` are tried in this order, which is the order of specificity. Every node knows its parent, so
//! that a walk goes back without a stack and without recursion.
//!
//! # Cost
//! A walk visits a node at most once, and only nodes whose prefix fits the path. It looks one literal up in
//! each (logarithmic in the number of siblings) and compares no template one by one. Where templates overlap
//! (`/a/*` and `/*/a`), a path may fit several prefixes; the most that any path can fit is the *weight* of the
//! root, and a template that would bring it over [`MAX_WEIGHT`] is refused. So the cost of a walk is bounded
//! by a constant times the length of the path, whatever the table, and for templates that do not overlap it is
//! one node per segment.

use std::collections::BTreeMap;

use super::path::Segments;
use super::template::{MAX_SEGMENTS, Segment};

/// The most nodes that a walk may visit.
pub(super) const MAX_WEIGHT: u32 = 4_096;

const ROOT: usize = 0;

/// The template would let some path fit more than [`MAX_WEIGHT`] prefixes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooManyOverlaps;

/// A tree whose ends carry an `E`.
pub(super) struct Trie<E> {
    nodes: Vec<Node<E>>,
}

struct Node<E> {
    parent: usize,
    /// Whether the parent reaches it by a literal; otherwise by `*`.
    by_literal: bool,
    literals: BTreeMap<Box<str>, usize>,
    any: Option<usize>,
    /// What ends here, by verb; the empty text is none.
    ends: BTreeMap<Box<str>, E>,
    /// What ends here with `**`, by verb.
    rest_ends: BTreeMap<Box<str>, E>,
    /// The most nodes, this one included, that a walk can visit from here.
    weight: u32,
    /// The weight of the heaviest literal child.
    heaviest: u32,
}

impl<E> Node<E> {
    fn new(parent: usize, by_literal: bool) -> Self {
        Self {
            parent,
            by_literal,
            literals: BTreeMap::new(),
            any: None,
            ends: BTreeMap::new(),
            rest_ends: BTreeMap::new(),
            weight: 1,
            heaviest: 0,
        }
    }

    fn child(&self, segment: &Segment) -> Option<usize> {
        match segment {
            Segment::Literal(text) => self.literals.get(text).copied(),
            Segment::Any => self.any,
            Segment::Rest => None,
        }
    }
}

impl<E: Default> Trie<E> {
    pub(super) fn new() -> Self {
        Self { nodes: vec![Node::new(ROOT, true)] }
    }

    /// The end of a template, made if it is new. Nothing changes if it is refused.
    pub(super) fn end_mut(&mut self, segments: &[Segment], verb: &str) -> Result<&mut E, TooManyOverlaps> {
        let (inner, open) = match segments.split_last() {
            Some((Segment::Rest, inner)) => (inner, true),
            _ => (segments, false),
        };
        let (mut node, known) = self.known_prefix(inner);
        if known < inner.len() {
            self.raise_weights(node, &inner[known..])?;
        }
        for segment in &inner[known..] {
            node = self.add(node, segment);
        }
        let node = &mut self.nodes[node];
        let ends = if open { &mut node.rest_ends } else { &mut node.ends };
        Ok(ends.entry(verb.into()).or_default())
    }

    /// The deepest node that these segments reach already, and how many of them lead there.
    fn known_prefix(&self, segments: &[Segment]) -> (usize, usize) {
        let mut node = ROOT;
        for (known, segment) in segments.iter().enumerate() {
            match self.nodes[node].child(segment) {
                Some(child) => node = child,
                None => return (node, known),
            }
        }
        (node, segments.len())
    }

    /// Accounts for a chain of new nodes below `node`, unless it would make the root too heavy.
    fn raise_weights(&mut self, node: usize, chain: &[Segment]) -> Result<(), TooManyOverlaps> {
        // A chain weighs one for each node; its top hangs below `node` by a literal or by `*`.
        let mut below = chain.len() as u32;
        let mut by_literal = matches!(chain.first(), Some(Segment::Literal(_)));
        let mut at = node;
        let mut raised = Vec::new();
        loop {
            let this = &self.nodes[at];
            let heaviest = if by_literal { this.heaviest.max(below) } else { this.heaviest };
            let any = if by_literal { this.any.map_or(0, |any| self.nodes[any].weight) } else { below };
            below = 1 + heaviest + any;
            raised.push((at, below, heaviest));
            if at == ROOT {
                break;
            }
            by_literal = this.by_literal;
            at = this.parent;
        }
        // No node is heavier than the root, and each weight is at most double the one below plus one.
        if below > MAX_WEIGHT {
            return Err(TooManyOverlaps);
        }
        for (at, weight, heaviest) in raised {
            self.nodes[at].weight = weight;
            self.nodes[at].heaviest = heaviest;
        }
        Ok(())
    }

    fn add(&mut self, parent: usize, segment: &Segment) -> usize {
        let child = self.nodes.len();
        let node = &mut self.nodes[parent];
        match segment {
            Segment::Literal(text) => {
                node.literals.insert(text.clone(), child);
            }
            _ => node.any = Some(child),
        }
        let by_literal = matches!(segment, Segment::Literal(_));
        self.nodes.push(Node::new(parent, by_literal));
        child
    }

    /// The weight of the root: the most nodes that any path makes a walk visit.
    #[cfg(test)]
    pub(super) fn weight(&self) -> u32 {
        self.nodes[ROOT].weight
    }
}

impl<E> Trie<E> {
    /// Gives the ends whose templates fit the path and end with the verb (empty for none) to `choose`, the most
    /// specific first, until it returns something.
    pub(super) fn walk<'t, R>(
        &'t self,
        path: &Segments<'_>,
        verb: &str,
        mut choose: impl FnMut(&'t E) -> Option<R>,
    ) -> Option<R> {
        let (mut at, mut depth) = (ROOT, 0);
        loop {
            if let Some(child) = self.descend(at, depth, path) {
                at = child;
                depth += 1;
                continue;
            }
            if depth == path.count()
                && let Some(found) = self.nodes[at].ends.get(verb).and_then(&mut choose)
            {
                return Some(found);
            }
            (at, depth) = loop {
                let node = &self.nodes[at];
                if let Some(found) = node.rest_ends.get(verb).and_then(&mut choose) {
                    return Some(found);
                }
                if at == ROOT {
                    return None;
                }
                if node.by_literal
                    && let Some(any) = self.nodes[node.parent].any
                {
                    break (any, depth);
                }
                at = node.parent;
                depth -= 1;
            };
        }
    }

    /// The most specific child that the next segment leads to. A literal is never empty, and neither may be
    /// what `*` matches.
    fn descend(&self, at: usize, depth: usize, path: &Segments<'_>) -> Option<usize> {
        let node = &self.nodes[at];
        if depth == path.count() || depth == MAX_SEGMENTS || (node.any.is_none() && node.literals.is_empty())
        {
            return None;
        }
        let segment = path.segment(depth);
        match node.literals.get(segment) {
            Some(&child) => Some(child),
            None => node.any.filter(|_| !segment.is_empty()),
        }
    }
}
