//! AES-128 in the modes in which single frames are encrypted.

use cbc::cipher::{BlockModeDecrypt, KeyIvInit, StreamCipher, block_padding::NoPadding};

use crate::hls::key::KEY_BYTES;

/// Length of a block of AES in bytes.
pub(super) const BLOCK_BYTES: usize = 16;

/// Key and initialization vector of a segment. It has no `Debug`, because the key is secret.
#[derive(Clone, Copy)]
pub(in crate::hls) struct SampleKey {
    pub(in crate::hls) key: [u8; KEY_BYTES],
    pub(in crate::hls) iv: [u8; BLOCK_BYTES],
}

/// Decrypts the whole blocks of `bytes` in CBC mode. The bytes after the last whole block are clear and stay unchanged.
pub(super) fn decrypt_blocks(bytes: &mut [u8], key: &[u8; KEY_BYTES], iv: &[u8; BLOCK_BYTES]) {
    let whole = bytes.len() - bytes.len() % BLOCK_BYTES;
    let cipher = cbc::Decryptor::<aes::Aes128>::new(key.into(), iv.into());
    // Without padding, this cannot fail for whole blocks.
    _ = cipher.decrypt_padded::<NoPadding>(&mut bytes[..whole]);
}

/// Key stream of one MP4 sample in counter mode. It continues over the encrypted pieces of the sample.
pub(super) struct CounterStream(ctr::Ctr64BE<aes::Aes128>);

impl CounterStream {
    pub(super) fn new(key: &[u8; KEY_BYTES], iv: &[u8; BLOCK_BYTES]) -> Self {
        Self(ctr::Ctr64BE::new(key.into(), iv.into()))
    }

    /// Decrypts the next encrypted piece of the sample.
    pub(super) fn apply(&mut self, bytes: &mut [u8]) {
        self.0.apply_keystream(bytes);
    }
}
