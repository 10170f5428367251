//! Files that are looked at for changes, with what is to be done then.
//!
//! They are looked at by their metadata again and again, rather than watched by the kernel: that works on every
//! file system (network and overlay file systems tell the kernel nothing), sees through the symbolic links that
//! Kubernetes swaps without a watch on every directory on the way, has no queue that runs over, and costs some
//! microseconds for each file. A change is taken up once a file looks the same twice, so that one that is being
//! written is not read.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::compile::supplies;
use crate::config::Config;
use crate::config::descriptors::{Descriptors, Protos};
use crate::config::files::proto_files;
use crate::config::problem::Problems;
use crate::config::store::Store;
use crate::config::value::endpoint::KeysAt;
use crate::config::value::secret::Secret;

/// What is looked at.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Item {
    /// A file, or what a link of this name leads to.
    File(PathBuf),
    /// All files that a section of proto sources finds.
    Protos(Protos),
}

/// Items and what is to be done when they change.
#[derive(Debug)]
pub(super) struct Watch<T> {
    entries: Vec<Entry<T>>,
    known: HashSet<(PathBuf, T)>,
}

#[derive(Debug)]
struct Entry<T> {
    item: Item,
    task: T,
    /// How it looked when it was read, and when it was looked at last.
    taken: u64,
    seen: u64,
}

/// What a look at all items has shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Looked<T> {
    /// What is to be done, each once.
    pub(super) tasks: Vec<T>,
    /// Whether something has changed that may still change, so that it should be looked at again soon.
    pub(super) is_changing: bool,
}

impl<T: Clone + Eq + Hash> Watch<T> {
    pub(super) fn new() -> Self {
        Self { entries: Vec::new(), known: HashSet::new() }
    }

    /// Watches an item for changes from now on. To be called before it is read.
    pub(super) fn add(&mut self, item: Item, task: T) {
        let look = look(&item);
        self.enter(Entry { item, task, taken: look, seen: look });
    }

    /// Watches the items of another one too, from when they were added there, for a task of its own.
    pub(super) fn take_over<U>(&mut self, other: Watch<U>, task: &T) {
        for Entry { item, taken, seen, .. } in other.entries {
            self.enter(Entry { item, task: task.clone(), taken, seen });
        }
    }

    fn enter(&mut self, entry: Entry<T>) {
        let is_new = match &entry.item {
            Item::File(path) => self.known.insert((path.clone(), entry.task.clone())),
            Item::Protos(_) => true,
        };
        if is_new {
            self.entries.push(entry);
        }
    }

    /// Looks at all items. A task is due when one of its items has changed and all of them look as they did the
    /// last time; it is due once for each change, whatever comes of it.
    pub(super) fn look(&mut self) -> Looked<T> {
        let mut changed: Vec<T> = Vec::new();
        let mut changing: Vec<T> = Vec::new();
        for entry in &mut self.entries {
            let now = look(&entry.item);
            let list = match (now == entry.seen, now == entry.taken) {
                (false, _) => &mut changing,
                (true, false) => &mut changed,
                (true, true) => continue,
            };
            entry.seen = now;
            if !list.contains(&entry.task) {
                list.push(entry.task.clone());
            }
        }
        changed.retain(|task| !changing.contains(task));
        for entry in &mut self.entries {
            if changed.contains(&entry.task) {
                entry.taken = entry.seen;
            }
        }
        Looked { tasks: changed, is_changing: !changing.is_empty() }
    }
}

/// The files that a configuration names.
pub(super) fn named(config: &Config) -> Vec<Item> {
    let upstreams = config.upstreams.iter().flat_map(|(_, upstream)| &upstream.descriptors);
    let translations = config.translations.iter().flat_map(|translation| &translation.descriptors);
    let descriptors =
        config.descriptors.iter().chain(upstreams).chain(translations).filter_map(|source| match source {
            Descriptors::Set(path) | Descriptors::HttpRules(path) => Some(Item::File(path.to_path_buf())),
            Descriptors::Protos(protos) => Some(Item::Protos(protos.clone())),
            Descriptors::Reflection(_) => None,
        });
    let token = config.admin.as_ref().and_then(|admin| admin.token.as_ref());
    let token = token.map(|token| &token.value);
    let identity = &config.identity;
    let callers = identity.api_keys.iter().map(|keys| &keys.file);
    let callers = callers.chain(identity.basic.iter().map(|basic| &basic.file));
    let issuers = identity.jwt.iter().flat_map(|named| named.iter().map(|(_, issuer)| issuer));
    let knowing = identity.introspection.iter().flat_map(|named| named.iter().map(|(_, knowing)| knowing));
    let secrets = token
        .into_iter()
        .chain(issuers.clone().flat_map(|issuer| &issuer.secret).map(|secret| &secret.value));
    let secrets = secrets.chain(knowing.clone().map(|knowing| &knowing.client_secret.value));
    let passwords = match &config.rate_limits.store {
        Store::Redis(redis) => [redis.password.as_ref(), redis.sentinel_password.as_ref()],
        Store::Memory => [None, None],
    };
    let secrets = secrets.chain(passwords.into_iter().flatten().map(|password| &password.value));
    let secrets = secrets.filter_map(|secret| match secret {
        Secret::File(path) => Some(path),
        Secret::Variable(_) => None,
    });
    let keys = issuers.clone().flat_map(|issuer| &issuer.jwks).filter_map(|keys| match &keys.value {
        KeysAt::File(path) => Some(path),
        KeysAt::Url(_) => None,
    });
    let authorities = issuers.flat_map(|issuer| &issuer.ca).chain(knowing.flat_map(|knowing| &knowing.ca));
    let pages = config.routes.iter().filter_map(|route| route.answer.as_ref()?.file.as_ref());
    let pages = pages.chain(&config.maintenance.page);
    let files = callers.chain(authorities).chain(pages).map(|path| &path.value).chain(secrets).chain(keys);
    let files = files.map(|path| path.to_path_buf()).chain(supplies::of_the_system(config));
    descriptors.chain(files.map(Item::File)).collect()
}

/// A number that changes with what is looked at. The time of the last change of a file's status is part of it,
/// which no program can set back.
fn look(item: &Item) -> u64 {
    let mut hasher = DefaultHasher::new();
    match item {
        Item::File(path) => hash_file(path, &mut hasher),
        Item::Protos(protos) => {
            for file in proto_files(protos, &mut Problems::default()) {
                file.path.hash(&mut hasher);
                hash_file(&file.path, &mut hasher);
            }
        }
    }
    hasher.finish()
}

fn hash_file(path: &Path, hasher: &mut DefaultHasher) {
    // Through links, to the file that would be read.
    match std::fs::metadata(path) {
        Ok(file) => {
            (file.dev(), file.ino(), file.size(), file.mode()).hash(hasher);
            (file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()).hash(hasher);
        }
        Err(error) => error.kind().hash(hasher),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn looked(tasks: &[&'static str], is_changing: bool) -> Looked<&'static str> {
        Looked { tasks: tasks.to_vec(), is_changing }
    }

    #[test]
    fn a_change_is_taken_up_once_it_is_stable() {
        let folder = tempfile::tempdir().unwrap();
        let [one, other, third] = ["one", "other", "third"].map(|name| folder.path().join(name));
        fs::write(&one, "1").unwrap();
        fs::write(&third, "1").unwrap();
        let mut watch = Watch::new();
        // A file that is not there yet may come.
        for (file, task) in [(&one, "load"), (&other, "load"), (&third, "rotate")] {
            watch.add(Item::File(file.clone()), task);
        }
        assert_eq!(watch.look(), looked(&[], false));
        fs::write(&one, "22").unwrap();
        assert_eq!(watch.look(), looked(&[], true));
        // The other file of the same task still changes.
        fs::write(&other, "1").unwrap();
        assert_eq!(watch.look(), looked(&[], true));
        assert_eq!(watch.look(), looked(&["load"], false));
        assert_eq!(watch.look(), looked(&[], false), "once for each change");
        fs::write(&third, "333").unwrap();
        fs::remove_file(&one).unwrap();
        assert_eq!(watch.look(), looked(&[], true));
        assert_eq!(watch.look(), looked(&["load", "rotate"], false));
    }

    #[test]
    fn what_is_taken_over_was_watched_before() {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = ["one", "other"].map(|name| folder.path().join(name));
        let mut watch = Watch::new();
        watch.add(Item::File(one.clone()), "load");
        // The same file may be of interest twice.
        watch.add(Item::File(one.clone()), "rotate");
        let mut second = Watch::new();
        second.add(Item::File(one), 1);
        second.add(Item::File(other.clone()), 2);
        fs::write(&other, "1").unwrap();
        watch.take_over(second, &"load");
        assert_eq!(watch.entries.len(), 3);
        assert_eq!(watch.look(), looked(&[], true));
        assert_eq!(watch.look(), looked(&["load"], false));
    }

    #[test]
    fn links_are_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        // As Kubernetes mounts a ConfigMap: file -> ..data/file, ..data -> a directory that is replaced.
        for version in ["1", "2"] {
            fs::create_dir(path(version)).unwrap();
            fs::write(path(version).join("file"), "same").unwrap();
        }
        symlink("1", path("..data")).unwrap();
        symlink("..data/file", path("file")).unwrap();
        let mut watch = Watch::new();
        watch.add(Item::File(path("file")), ());
        symlink("2", path("..data_tmp")).unwrap();
        fs::rename(path("..data_tmp"), path("..data")).unwrap();
        assert!(watch.look().is_changing);
        assert_eq!(watch.look().tasks, [()]);
    }
}
