//! The request of an aggregated route: what parts take from it, each of the type of the field that it is written to.

use super::types::{Shape, Typed};
use crate::compose::source::{Root, Source, Step};
use crate::config::place::Place;
use crate::config::problem::{Problem, Problems};

/// A field of the request.
pub(super) struct Inferred<'a> {
    pub(super) name: &'a str,
    /// Its type, and the place that tells it.
    pub(super) typed: Typed<'a>,
    told: Place,
}

/// All of them, in the order of their numbers.
#[derive(Default)]
pub(super) struct Fields<'a>(pub(super) Vec<Inferred<'a>>);

impl<'a> Fields<'a> {
    /// A use of a field, which is of this type then. All uses have to agree.
    pub(super) fn used(
        &mut self,
        name: &'a str,
        typed: Typed<'a>,
        place: Place,
        problems: &mut Problems,
    ) -> Option<Source> {
        match self.find(name) {
            Some(Inferred { typed: other, told, .. }) if !other.is_same(&typed) => {
                let text = format!(
                    "The request has one field {name}, but it is needed as {} and as {}.",
                    other.text(),
                    typed.text()
                );
                let hint =
                    "Give one of the two another name, such as the name of the field that it is written to.";
                problems.push(Problem::error(text).at(place).related(*told, "the first").hint(hint));
                return None;
            }
            Some(_) => {}
            None => self.0.push(Inferred { name, typed, told: place }),
        }
        self.source(name)
    }

    /// Where a field with a type lies in the request.
    pub(super) fn source(&self, name: &str) -> Option<Source> {
        let position = self.0.iter().position(|field| field.name == name)?;
        let typed = self.0[position].typed;
        let step = Step {
            number: u32::try_from(position).ok()? + 1,
            layout: typed.layout(),
            is_list: typed.shape != Shape::One,
            others: Box::default(),
        };
        Some(Source { root: Root::Request, steps: Box::new([step]) })
    }

    pub(super) fn find(&self, name: &str) -> Option<&Inferred<'a>> {
        self.0.iter().find(|field| field.name == name)
    }
}
