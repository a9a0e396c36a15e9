//! Encryption of segments.

use bytes::Bytes;
use cbc::cipher::{BlockModeEncrypt, KeyIvInit, block_padding::Pkcs7};

/// Encrypts with AES-128 as in HLS: CBC, PKCS #7, and `iv` or the media sequence number as the initialization vector.
pub(super) fn encrypt(bytes: &Bytes, key: [u8; 16], iv: Option<[u8; 16]>, sequence: u64) -> Bytes {
    let iv = iv.unwrap_or_else(|| u128::from(sequence).to_be_bytes());
    let cipher = cbc::Encryptor::<aes::Aes128>::new(&key.into(), &iv.into());
    Bytes::from(cipher.encrypt_padded_vec::<Pkcs7>(bytes))
}
