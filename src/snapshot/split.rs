//! What is told of methods that several upstreams answer.

use std::fmt;

/// Which other upstreams than its own have some of the calls of a method.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// In the order in which they come into question.
    pub choices: Vec<Choice>,
    /// Who gets copies.
    pub shadow: Option<Shadow>,
    /// Whether the head of a request has to come along with the call, as upstreams are chosen by it: for the method, or for a
    /// part of what it answers.
    pub needs_head: bool,
    /// The parameters of the query that they are chosen by, which so may be no fields of the request.
    pub query: Vec<Box<str>>,
}

/// An upstream that has some of the calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Its name.
    pub upstream: String,
    /// Which calls it has, each as `role beta`; all if there are none.
    pub when: Vec<String>,
    /// Which part of those, such as `5%`; all without.
    pub share: Option<String>,
    /// What keeps callers in the share, such as `principal`; absent where chance decides about each call.
    pub sticky: Option<String>,
}

/// An upstream that gets copies of calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shadow {
    /// Its name.
    pub upstream: String,
    /// Of which part of the calls.
    pub share: String,
}

impl Split {
    /// Whether there is no other upstream.
    pub const fn is_empty(&self) -> bool {
        self.choices.is_empty() && self.shadow.is_none()
    }
}

impl fmt::Display for Split {
    /// On one line: `next by header x-beta=1, 5% next, shadow 10% other`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = "";
        for Choice { upstream, when, share, .. } in &self.choices {
            f.write_str(before)?;
            if let Some(share) = share {
                write!(f, "{share} ")?;
            }
            f.write_str(upstream)?;
            if !when.is_empty() {
                write!(f, " by {}", when.join(" and "))?;
            }
            before = ", ";
        }
        if let Some(Shadow { upstream, share }) = &self.shadow {
            write!(f, "{before}shadow {share} {upstream}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_are_shown_on_one_line() {
        let choice = |upstream: &str, when: &[&str], share: Option<&str>| Choice {
            upstream: upstream.into(),
            when: when.iter().map(ToString::to_string).collect(),
            share: share.map(Into::into),
            sticky: None,
        };
        let shadow = Some(Shadow { upstream: "new".into(), share: "10%".into() });
        let beta = choice("beta", &["role beta", "header x-beta=1"], None);
        for (choices, shadow, shown) in [
            (vec![], None, ""),
            (vec![], shadow.clone(), "shadow 10% new"),
            (vec![beta.clone()], None, "beta by role beta and header x-beta=1"),
            (
                vec![beta, choice("next", &[], Some("5%"))],
                shadow,
                "beta by role beta and header x-beta=1, 5% next, shadow 10% new",
            ),
        ] {
            assert_eq!(Split { choices, shadow, ..Split::default() }.to_string(), shown);
        }
    }
}
