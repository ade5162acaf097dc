//! Bytes of a file in pages. Copies share them until one is written to, so that a snapshot of a
//! disk costs little; a page that never was written is zeros and takes no memory.

use std::sync::Arc;

const PAGE: usize = 4096;

/// The bytes. What lies behind the end in the last page is zero.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pages {
    length: usize,
    pages: Vec<Option<Arc<[u8; PAGE]>>>,
}

impl Pages {
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Fills `out`; `false` where the file ends before.
    pub(crate) fn read(&self, offset: u64, out: &mut [u8]) -> bool {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        if start
            .checked_add(out.len())
            .is_none_or(|end| end > self.length)
        {
            return false;
        }
        for (page, within, range) in pieces(start, out.len()) {
            let out = &mut out[range];
            match &self.pages[page] {
                Some(bytes) => out.copy_from_slice(&bytes[within..within + out.len()]),
                None => out.fill(0),
            }
        }
        true
    }

    /// Writes, and makes the file longer if need be.
    pub(crate) fn write(&mut self, offset: u64, bytes: &[u8]) {
        let start = usize::try_from(offset).expect("files of tests are small");
        self.grow(start + bytes.len());
        for (page, within, range) in pieces(start, bytes.len()) {
            let bytes = &bytes[range];
            let page = self.pages[page].get_or_insert_with(|| Arc::new([0; PAGE]));
            Arc::make_mut(page)[within..within + bytes.len()].copy_from_slice(bytes);
        }
    }

    pub(crate) fn resize(&mut self, length: u64) {
        let length = usize::try_from(length).expect("files of tests are small");
        if length < self.length {
            self.pages.truncate(length.div_ceil(PAGE));
            if let (Some(Some(last)), within @ 1..) = (self.pages.last_mut(), length % PAGE) {
                Arc::make_mut(last)[within..].fill(0);
            }
            self.length = length;
        }
        self.grow(length);
    }

    pub(crate) fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.length];
        self.read(0, &mut bytes);
        bytes
    }

    fn grow(&mut self, length: usize) {
        if length > self.length {
            self.pages.resize(length.div_ceil(PAGE), None);
            self.length = length;
        }
    }
}

/// Page, place in it, and the range of the bytes that go there.
fn pieces(
    start: usize,
    length: usize,
) -> impl Iterator<Item = (usize, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let (page, within) = ((start + done) / PAGE, (start + done) % PAGE);
        let take = (PAGE - within).min(length - done);
        let piece = (page, within, done..done + take);
        done += take;
        (take > 0).then_some(piece)
    })
}
