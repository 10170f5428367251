//! The file that switches maintenance.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::watch::{Item, Watch};
use crate::config::Config;
use crate::snapshot::maintenance::MAX_MESSAGE;

/// Watches the file, if the configuration names one. To be called before it is read.
pub(super) fn watch(config: &Config) -> Watch<PathBuf> {
    let mut watch = Watch::new();
    if let Some(file) = &config.maintenance.file {
        watch.add(Item::File(file.to_path_buf()), file.to_path_buf());
    }
    watch
}

/// What a file says that switches maintenance; absent where there is none, so that it is off.
pub(super) type Said = Option<String>;

/// What the file says that the configuration names.
pub(super) fn said(config: &Config) -> Said {
    read(config.maintenance.file.as_ref()?)
}

/// What a file says. One that cannot be read is there.
pub(super) fn read(path: &Path) -> Said {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_MESSAGE as u64).read_to_end(&mut bytes));
    match read {
        Ok(_) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => None,
        Err(error) => {
            tracing::warn!(file = %path.display(), %error, "the file of maintenance is there but cannot be read");
            Some(String::new())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_on_while_the_file_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("maintenance");
        assert_eq!(read(&file), None);
        std::fs::write(&file, "Back at ten.\n").unwrap();
        assert_eq!(read(&file).as_deref(), Some("Back at ten.\n"));
        assert_eq!(read(&file.join("below")), None);
        std::fs::write(&file, "x".repeat(1 << 20)).unwrap();
        assert_eq!(read(&file).map(|text| text.len()), Some(MAX_MESSAGE));
        // A folder can be there as well.
        assert_eq!(read(folder.path()).as_deref(), Some(""));
    }
}
