//! Where JSON text is put.
//!
//! Nearly all that JSON is made of is short: keys, numbers, quotes, commas. A copy of a fixed size is a
//! single instruction or two, so short things are put into a window of a fixed size, and only then it is
//! said how much of it counts. For that the room behind the text is there, as zeros, before it is used.

/// How much room is made ready at once: little enough to be in the cache still when it is used.
const STEP: usize = 1024;

/// Text, and room behind it.
#[derive(Default)]
pub(in crate::codec) struct Out {
    /// The text, and zeros or what was put there and does not count.
    room: Vec<u8>,
    length: usize,
    /// How much room is made ready the next time: at first only what is expected, as many texts are short.
    step: usize,
}

impl Out {
    /// Goes on behind `text`, with memory for so many bytes more.
    pub(in crate::codec) fn new(text: Vec<u8>, more: usize) -> Self {
        let mut room = text;
        room.reserve(more);
        Self { length: room.len(), room, step: more.min(STEP) }
    }

    pub(in crate::codec) fn finish(mut self) -> Vec<u8> {
        self.room.truncate(self.length);
        self.room
    }

    #[inline]
    pub(in crate::codec) const fn len(&self) -> usize {
        self.length
    }

    /// All that was put there.
    #[inline]
    pub(in crate::codec) fn text(&self) -> &[u8] {
        self.room.get(..self.length).unwrap_or_default()
    }

    /// Takes back what stands behind the first `length` bytes.
    #[inline]
    pub(in crate::codec) fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// Lets `put` fill the next bytes, of which as many are appended as it returns: at most all.
    #[inline(always)]
    pub(in crate::codec) fn put<const N: usize>(&mut self, put: impl FnOnce(&mut [u8; N]) -> usize) {
        loop {
            let part = self.length..self.length + N;
            if let Some(window) = self.room.get_mut(part).and_then(<[u8]>::first_chunk_mut) {
                self.length += put(window);
                return;
            }
            self.grow(N);
        }
    }

    /// The next bytes. They count once [`Out::advance`] says so.
    #[inline]
    pub(in crate::codec) fn space(&mut self, size: usize) -> &mut [u8] {
        let part = self.length..self.length + size;
        if self.room.get(part.clone()).is_none() {
            self.grow(size);
        }
        &mut self.room[part]
    }

    /// Makes the first bytes of the space part of the text.
    #[inline]
    pub(in crate::codec) const fn advance(&mut self, length: usize) {
        self.length += length;
    }

    /// The longest text for which there is memory.
    pub(in crate::codec) const fn capacity(&self) -> usize {
        self.room.capacity()
    }

    /// Makes memory for so many bytes more.
    pub(in crate::codec) fn reserve(&mut self, more: usize) {
        self.room.reserve((self.length + more).saturating_sub(self.room.len()));
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, more: usize) {
        let needed = self.length + more;
        self.room.reserve(needed.saturating_sub(self.room.len()));
        let ready = (self.room.len() + self.step).min(self.room.capacity());
        self.step = STEP;
        self.room.resize(ready.max(needed), 0);
    }

    #[inline]
    pub(in crate::codec) fn push(&mut self, byte: u8) {
        self.put(|[window]| {
            *window = byte;
            1
        });
    }

    /// Appends the first `length` bytes of a chunk.
    #[inline]
    pub(in crate::codec) fn start_of<const N: usize>(&mut self, chunk: &[u8; N], length: usize) {
        self.put(|window| {
            *window = *chunk;
            length
        });
    }

    /// Appends a text of a fixed size.
    #[inline]
    pub(in crate::codec) fn all<const N: usize>(&mut self, text: &[u8; N]) {
        self.start_of(text, N);
    }

    #[inline(never)]
    pub(in crate::codec) fn extend(&mut self, text: &[u8]) {
        self.space(text.len()).copy_from_slice(text);
        self.length += text.len();
    }

    /// Overwrites a byte of the text.
    #[inline]
    pub(in crate::codec) fn set(&mut self, at: usize, byte: u8) {
        if let Some(old) = self.room.get_mut(at) {
            *old = byte;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_every_length_are_appended() {
        let from: Vec<u8> = (0..100).collect();
        let mut out = Out::new(b"before".to_vec(), 10);
        let mut expected = b"before".to_vec();
        for length in 0..=100 {
            out.extend(&from[..length]);
            out.push(b',');
            expected.extend([&from[..length], b","].concat());
            assert_eq!(out.text(), expected);
        }
        for length in 0..=8 {
            out.start_of(b"12345678", length);
            expected.extend_from_slice(&b"12345678"[..length]);
        }
        out.all(b"null");
        assert_eq!(out.finish(), [&expected[..], b"null"].concat());
    }

    #[test]
    fn what_is_taken_back_or_overwritten_leaves_no_trace() {
        let mut out = Out::new(Vec::new(), 0);
        out.extend(&[b'x'; 3 * STEP]);
        out.truncate(2);
        out.truncate(3);
        out.set(0, b'{');
        out.space(20)[..3].copy_from_slice(b"abc");
        out.advance(1);
        assert_eq!(out.finish(), b"{xa");
    }
}
