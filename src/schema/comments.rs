//! What proto files say in comments, for documents that describe the services.

use std::fmt;
use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;

/// The longest comment that is kept, in bytes; what is longer is cut.
const MAX_COMMENT: usize = 4 << 10;
/// How many bytes of comments a schema keeps in all. What comes later is left out.
const MAX_TEXT: usize = 16 << 20;

/// The comments of a schema, found by the full names of what they stand at.
///
/// There are many and they are seldom asked for, so that each costs its text and sixteen bytes.
#[derive(Default)]
pub(super) struct Comments {
    text: String,
    hasher: DefaultHashBuilder,
    /// The hash of a name, and where its comment lies; by hash, once [`Comments::finish`] was called.
    index: Vec<(u64, u32, u32)>,
}

impl fmt::Debug for Comments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Comments {{ {} of {} bytes }}", self.index.len(), self.text.len())
    }
}

impl Comments {
    /// Keeps the comment of an element, unless there is no room.
    pub(super) fn add(&mut self, full_name: &str, comment: &str) {
        let start = self.text.len();
        for line in comment.trim().lines() {
            if self.text.len() > start {
                self.text.push('\n');
            }
            self.text.push_str(line.trim());
        }
        let end = self.text.floor_char_boundary(start + MAX_COMMENT);
        self.text.truncate(end);
        if end == start || end > MAX_TEXT {
            self.text.truncate(start);
            return;
        }
        self.index.push((self.hasher.hash_one(full_name), start as u32, end as u32));
    }

    /// To be called once all are there.
    pub(super) fn finish(mut self) -> Self {
        self.text.shrink_to_fit();
        self.index.sort_unstable_by_key(|&(hash, start, _)| (hash, start));
        self.index.shrink_to_fit();
        self
    }

    /// The comment of an element, its lines without the space around them.
    pub(super) fn find(&self, full_name: &str) -> Option<&str> {
        let hash = self.hasher.hash_one(full_name);
        let position = self.index.partition_point(|&(other, ..)| other < hash);
        let &(found, start, end) = self.index.get(position)?;
        if found == hash { self.text.get(start as usize..end as usize) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_kept_within_bounds() {
        let mut comments = Comments::default();
        comments.add("a.A", " One line.\n");
        comments.add("a.B", "  Two\n   lines.\n\n And a third. \n");
        comments.add("a.C", " \n ");
        comments.add("a.D", &"é".repeat(MAX_COMMENT));
        let mut comments = comments.finish();
        assert_eq!(comments.find("a.A"), Some("One line."));
        assert_eq!(comments.find("a.B"), Some("Two\nlines.\n\nAnd a third."));
        assert_eq!((comments.find("a.C"), comments.find("a"), comments.find("")), (None, None, None));
        assert_eq!(comments.find("a.D").map(str::len), Some(MAX_COMMENT));
        for number in 0..MAX_TEXT / MAX_COMMENT {
            comments.add(&format!("b.{number}"), &"x".repeat(MAX_COMMENT));
        }
        let comments = comments.finish();
        assert!(comments.text.len() <= MAX_TEXT && comments.text.len() > MAX_TEXT - 2 * MAX_COMMENT);
        assert_eq!(comments.find("a.A"), Some("One line."));
        assert_eq!(comments.find("b.4095"), None);
    }
}
