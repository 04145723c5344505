//! The messages: each one different, so that no reply can pass for another.

/// A message of a fixed size whose first bytes bear its number.
#[derive(Clone, Debug)]
pub struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// A message of so many bytes.
    pub fn new(size: usize) -> Self {
        // The period, 251, divides no buffer size: bytes lost, doubled or
        // swapped cannot look right.
        let bytes = (0..251u8).cycle().take(size).collect();
        Self { bytes }
    }

    /// The bytes of the message with this number.
    pub fn numbered(&mut self, number: u64) -> &[u8] {
        let number = number.to_le_bytes();
        let size = number.len().min(self.bytes.len());
        self.bytes[..size].copy_from_slice(&number[..size]);
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_differ_by_their_number() {
        let mut message = Message::new(64);
        let first = message.numbered(1).to_vec();
        assert_eq!(first.len(), 64);
        assert_ne!(first, message.numbered(2));
        assert_eq!(first, message.numbered(1));
    }
}
