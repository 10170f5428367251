//! The bytes that a store of limits replies with.

use transom::policy::limit::redis::resp::{Reply, read};

/// Any bytes are replies one behind the other, of which each uses what it says and no more; what is there does not
/// depend on what comes behind it; and a reply that is not complete is one that may become complete.
pub fn redis(input: &[u8]) {
    let mut rest = input;
    while let Ok(Some((reply, used))) = read(rest) {
        assert!((1..=rest.len()).contains(&used), "a reply of {used} bytes in {}", rest.len());
        assert!(size(&reply) <= used, "more was read than came");
        assert_eq!(read(&rest[..used]), Ok(Some((reply, used))), "a reply depends on the next one");
        // Cut anywhere it is waited for. A few places are enough, as each is a read from the beginning.
        for cut in (0..used).step_by(used / 16 + 1) {
            assert_eq!(read(&rest[..cut]), Ok(None), "a reply of {used} bytes was there after {cut}");
        }
        rest = &rest[used..];
    }
}

/// The least that a reply can have taken.
fn size(reply: &Reply) -> usize {
    match reply {
        Reply::Word(text) | Reply::Error(text) => text.chars().count(),
        Reply::Number(_) | Reply::Nothing => 1,
        Reply::Bytes(bytes) => bytes.len(),
        Reply::List(replies) => replies.iter().map(size).sum(),
    }
}
