//! The request of a part.

use super::source::{Each, Flaw, Root, Roots, Source, Target, Value};
use crate::wire::WireType;
use crate::wire::writer::{self, Length};

/// A request, in the order in which it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template(pub Vec<Piece>);

/// A piece of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Fields that are always the same, in wire form.
    Constant(Vec<u8>),
    /// A field that takes its value from elsewhere. What is absent there is absent here.
    Copy(Source, Target),
    /// A field that holds a message of these pieces.
    Message {
        /// Its number.
        number: u32,
        /// Whether it is written as a group.
        is_group: bool,
        /// What is in it.
        pieces: Vec<Self>,
    },
}

/// Bytes from elsewhere that values cannot be taken out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) root: Root,
    pub(super) flaw: Flaw,
}

/// Roots of which there is nothing.
struct Nothing;

impl<'w> Roots<'w> for Nothing {
    fn messages(&self, _: Root, _: &mut Each<'_, 'w>) -> Result<(), Flaw> {
        Ok(())
    }

    fn item(&self) -> Option<Value<'w>> {
        None
    }
}

impl Piece {
    /// What it is in wire form where there is nothing that it could take a value from.
    pub fn written(&self) -> Vec<u8> {
        let mut out = Vec::new();
        // Nothing is broken in nothing.
        let _ = write(std::slice::from_ref(self), &Nothing, usize::MAX, &mut out);
        out
    }
}

impl Template {
    /// Every source in it.
    pub fn sources(&self) -> Vec<&Source> {
        fn add<'t>(pieces: &'t [Piece], sources: &mut Vec<&'t Source>) {
            for piece in pieces {
                match piece {
                    Piece::Constant(_) => {}
                    Piece::Copy(source, _) => sources.push(source),
                    Piece::Message { pieces, .. } => add(pieces, sources),
                }
            }
        }
        let mut sources = Vec::new();
        add(&self.0, &mut sources);
        sources
    }

    /// The same with all that does not depend on an item written out.
    pub(super) fn settled<'w>(&self, roots: &impl Roots<'w>) -> Result<Self, Broken> {
        fn settle<'w>(pieces: &[Piece], roots: &impl Roots<'w>) -> Result<Vec<Piece>, Broken> {
            let settled = pieces.iter().map(|piece| match piece {
                Piece::Copy(source, target) if source.root != Root::Item => {
                    let mut wire = Vec::new();
                    let values = source.values(roots);
                    let values = values.map_err(|flaw| Broken { root: source.root, flaw })?;
                    target.write(&values, &mut wire);
                    Ok(Piece::Constant(wire))
                }
                Piece::Message { number, is_group, pieces } => {
                    let pieces = settle(pieces, roots)?;
                    Ok(Piece::Message { number: *number, is_group: *is_group, pieces })
                }
                piece => Ok(piece.clone()),
            });
            settled.collect()
        }
        settle(&self.0, roots).map(Self)
    }

    /// The request in wire form, unless it is longer than `limit` bytes.
    pub(super) fn write<'w>(&self, roots: &impl Roots<'w>, limit: usize) -> Result<Option<Vec<u8>>, Broken> {
        let mut out = Vec::new();
        let fits = write(&self.0, roots, limit, &mut out)?;
        Ok((fits && out.len() <= limit).then_some(out))
    }
}

/// Appends pieces and says whether the whole is not too long yet.
fn write<'w>(
    pieces: &[Piece],
    roots: &impl Roots<'w>,
    limit: usize,
    out: &mut Vec<u8>,
) -> Result<bool, Broken> {
    for piece in pieces {
        match piece {
            Piece::Constant(wire) => out.extend_from_slice(wire),
            Piece::Copy(source, target) => {
                let values = source.values(roots).map_err(|flaw| Broken { root: source.root, flaw })?;
                target.write(&values, out);
            }
            Piece::Message { number, is_group: false, pieces } => {
                writer::tag(out, *number, WireType::Len);
                let length = Length::begin(out);
                if !write(pieces, roots, limit, out)? {
                    return Ok(false);
                }
                length.end(out);
            }
            Piece::Message { number, is_group: true, pieces } => {
                writer::tag(out, *number, WireType::StartGroup);
                if !write(pieces, roots, limit, out)? {
                    return Ok(false);
                }
                writer::tag(out, *number, WireType::EndGroup);
            }
        }
        // Each source lies within the limit itself, so this is never much too late.
        if out.len() > limit {
            return Ok(false);
        }
    }
    Ok(true)
}
