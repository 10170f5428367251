//! A configuration that is made of files, and made anew of them when it is told that they have changed.
//!
//! What connections have is theirs to their end; only those that are opened later get the new one. A file that is
//! wrong changes nothing: what was loaded before goes on.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::defect::Defect;

/// What came of loading files: warnings, or everything that is wrong, warnings too.
pub type Outcome = Result<Vec<Defect>, Vec<Defect>>;

/// Something that is made of files.
pub trait Reload: Send + Sync + fmt::Debug {
    /// The files that it depends on.
    fn files(&self) -> Vec<PathBuf>;

    /// Reads the files and, if they are good, takes what they hold. Blocks on the disk.
    fn reload(&self) -> Outcome;
}

/// How something is made of files.
pub trait Source: fmt::Debug + Send + Sync {
    /// What it makes.
    type Built: fmt::Debug + Send + Sync;

    /// The files that it names.
    fn files(&self) -> Vec<PathBuf>;

    /// Reads the files. Nothing, if an error is among the defects.
    fn build(&self, defects: &mut Vec<Defect>) -> Option<Self::Built>;
}

/// What a source was made into last.
#[derive(Debug)]
pub(super) struct Live<S: Source> {
    current: ArcSwap<Current<S>>,
    /// Held while the files are read, so that of two at once the later is not overtaken.
    reading: Mutex<()>,
}

#[derive(Debug)]
pub(super) struct Current<S: Source> {
    pub(super) source: Arc<S>,
    pub(super) built: S::Built,
}

impl<S: Source> Live<S> {
    pub(super) fn load(source: S, defects: &mut Vec<Defect>) -> Option<Self> {
        let built = source.build(defects)?;
        let current = ArcSwap::from_pointee(Current { source: Arc::new(source), built });
        Some(Self { current, reading: Mutex::default() })
    }

    pub(super) fn current(&self) -> Arc<Current<S>> {
        self.current.load_full()
    }

    /// Takes over what another one has, its source too.
    pub(super) fn replace(&self, other: &Self) {
        let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        self.current.store(other.current());
    }
}

impl<S: Source> Reload for Live<S> {
    fn files(&self) -> Vec<PathBuf> {
        self.current.load().source.files()
    }

    fn reload(&self) -> Outcome {
        let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let source = Arc::clone(&self.current.load().source);
        let mut defects = Vec::new();
        match source.build(&mut defects) {
            Some(built) => {
                self.current.store(Arc::new(Current { source, built }));
                Ok(defects)
            }
            None => Err(defects),
        }
    }
}
