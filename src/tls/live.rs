//! A configuration that is made of files and made anew when they change.
//!
//! What connections have is theirs to their end; only those that are opened later get the new one. A file that is
//! wrong changes nothing: what was loaded before goes on.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
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

    /// Like [`Reload::reload`] if the files have changed since they were last read and have not changed since the
    /// last look, so that what is being written is left alone. `None` if there is nothing to do. To be called every
    /// second or so; blocks on the disk.
    fn look(&self) -> Option<Outcome>;
}

/// How something is made of files.
pub(super) trait Source: fmt::Debug + Send + Sync {
    type Built: fmt::Debug + Send + Sync;

    fn files(&self) -> Vec<PathBuf>;

    /// Nothing, if an error is among the defects.
    fn build(&self, defects: &mut Vec<Defect>) -> Option<Self::Built>;
}

/// What a source was made into last.
#[derive(Debug)]
pub(super) struct Live<S: Source> {
    current: ArcSwap<Current<S>>,
    watched: Mutex<Watched>,
}

#[derive(Debug)]
pub(super) struct Current<S: Source> {
    pub(super) source: Arc<S>,
    pub(super) built: S::Built,
}

#[derive(Clone, Debug)]
struct Watched {
    /// How the files were when they were last read.
    read: Vec<Stamp>,
    /// How they were at the last look, if they have changed since they were read.
    seen: Option<Vec<Stamp>>,
}

impl<S: Source> Live<S> {
    pub(super) fn load(source: S, defects: &mut Vec<Defect>) -> Option<Self> {
        // Before the files are read: a change between the two is seen then.
        let read = stamps(&source.files());
        let built = source.build(defects)?;
        let current = ArcSwap::from_pointee(Current { source: Arc::new(source), built });
        Some(Self { current, watched: Mutex::new(Watched { read, seen: None }) })
    }

    pub(super) fn current(&self) -> Arc<Current<S>> {
        self.current.load_full()
    }

    /// Takes over what another one has, its source too.
    pub(super) fn replace(&self, other: &Self) {
        let taken = other.lock().clone();
        let mut watched = self.lock();
        self.current.store(other.current());
        *watched = taken;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, watched: &mut Watched, found: Vec<Stamp>, source: Arc<S>) -> Outcome {
        *watched = Watched { read: found, seen: None };
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

impl<S: Source> Reload for Live<S> {
    fn files(&self) -> Vec<PathBuf> {
        self.current.load().source.files()
    }

    fn reload(&self) -> Outcome {
        // Held meanwhile, so that of two at once the later is not overtaken.
        let mut watched = self.lock();
        let source = Arc::clone(&self.current.load().source);
        let found = stamps(&source.files());
        self.read(&mut watched, found, source)
    }

    fn look(&self) -> Option<Outcome> {
        let mut watched = self.lock();
        let source = Arc::clone(&self.current.load().source);
        let found = stamps(&source.files());
        if found == watched.read {
            watched.seen = None;
            return None;
        }
        if watched.seen.as_ref() != Some(&found) {
            watched.seen = Some(found);
            return None;
        }
        Some(self.read(&mut watched, found, source))
    }
}

/// What tells one state of a file from another, through symbolic links: Kubernetes swaps a link to a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stamp {
    Found { device: u64, inode: u64, size: u64, modified: (i64, i64), changed: (i64, i64) },
    Absent(io::ErrorKind),
}

fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    files.iter().map(|file| stamp(file)).collect()
}

fn stamp(file: &Path) -> Stamp {
    match fs::metadata(file) {
        Ok(found) => Stamp::Found {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        },
        Err(error) => Stamp::Absent(error.kind()),
    }
}
