//! Whether documents say what proto files say in comments.

use crate::schema::Schema;

/// Whether documents hold the comments of proto files, as far as the descriptors carry them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Comments {
    /// They are the documentation of what they stand at.
    #[default]
    Written,
    /// They stay inside.
    LeftOut,
}

impl Comments {
    /// What is written about an element.
    pub(super) fn at<'s>(self, schema: &'s Schema, full_name: &str) -> Option<&'s str> {
        match self {
            Self::Written => schema.comment(full_name),
            Self::LeftOut => None,
        }
    }
}
