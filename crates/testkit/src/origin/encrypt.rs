//! Encryption of segments.

use bytes::Bytes;
use cbc::cipher::{BlockModeEncrypt, KeyIvInit, block_padding::Pkcs7};

/// Encrypts a segment with AES-128 as in HLS: CBC with PKCS #7 padding. The initialization vector is `iv`; if it is
/// `None`, the media sequence number `sequence`.
pub(super) fn encrypt(bytes: &Bytes, key: [u8; 16], iv: Option<[u8; 16]>, sequence: u64) -> Bytes {
    let iv = iv.unwrap_or_else(|| u128::from(sequence).to_be_bytes());
    let cipher = cbc::Encryptor::<aes::Aes128>::new(&key.into(), &iv.into());
    Bytes::from(cipher.encrypt_padded_vec::<Pkcs7>(bytes))
}
