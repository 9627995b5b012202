//! [`Buffer`]: the bytes of one body.

use std::io;

use memmap2::{MmapMut, MmapOptions};

/// The size of the first allocation, in bytes.
const FIRST_BYTES: usize = 64 << 10;

/// A buffer that grows. Above a threshold, it has a memory mapping of its own, which never grows: the system
/// provides the memory when bytes arrive, and gets it back as soon as the buffer is dropped. An allocator
/// keeps freed memory for a while, so with large bodies, a process would use more memory than its budget.
pub(crate) enum Buffer {
    Small(Vec<u8>),
    Large { map: MmapMut, len: usize },
}

impl Buffer {
    pub(crate) fn new() -> Self {
        Self::Small(Vec::new())
    }

    pub(crate) fn len(&self) -> usize {
        self.as_ref().len()
    }

    /// Appends bytes. If the buffer then has more than `small` bytes, it moves to a mapping of `bound` bytes.
    ///
    /// # Errors
    /// When the bytes exceed the `bound` of the mapping, or if the system does not provide a mapping.
    pub(crate) fn append(&mut self, data: &[u8], small: usize, bound: usize) -> io::Result<()> {
        let needed = self.len() + data.len();
        if let Self::Small(bytes) = self {
            if needed <= small {
                if needed > bytes.capacity() {
                    let target = needed.max((bytes.capacity() * 2).max(FIRST_BYTES).min(bound));
                    bytes.reserve_exact(target - bytes.len());
                }
                bytes.extend_from_slice(data);
                return Ok(());
            }
            let mut map = MmapOptions::new().len(bound.max(needed)).map_anon()?;
            map[..bytes.len()].copy_from_slice(bytes);
            *self = Self::Large { map, len: bytes.len() };
        }
        if let Self::Large { map, len } = self {
            let space = map.get_mut(*len..needed).ok_or(io::ErrorKind::OutOfMemory)?;
            space.copy_from_slice(data);
            *len = needed;
        }
        Ok(())
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Small(bytes) => bytes,
            Self::Large { map, len } => &map[..*len],
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_buffer_has_what_was_appended(
            parts in vec(vec(any::<u8>(), 0..300), 0..20),
            small in 0..3_000_usize,
        ) {
            let all = parts.concat();
            let mut buffer = Buffer::new();
            for part in &parts {
                buffer.append(part, small, all.len()).unwrap();
            }
            prop_assert_eq!(buffer.as_ref(), &all);
            prop_assert_eq!(matches!(buffer, Buffer::Large { .. }), all.len() > small);
        }
    }

    #[test]
    fn a_mapping_does_not_grow() {
        let mut buffer = Buffer::new();
        buffer.append(&[7; 100], 10, 150).unwrap();
        buffer.append(&[7; 50], 10, 150).unwrap();
        assert!(buffer.append(&[7], 10, 150).is_err());
        assert_eq!(buffer.len(), 150);
    }
}
