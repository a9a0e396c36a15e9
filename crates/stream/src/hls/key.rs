//! AES-128 decryption of segments (RFC 8216 section 4.3.2.4).

use bytes::Bytes;
use cbc::cipher::{BlockModeDecrypt, KeyIvInit, block_padding::Pkcs7};

/// Length of a key and of an initialization vector, bytes.
pub(super) const KEY_BYTES: usize = 16;

/// Decrypts a segment. Returns `None` if the key is wrong or the segment is damaged.
///
/// If `iv` is `None`, the media sequence number `sequence` is the initialization vector.
pub(super) fn decrypt(
    bytes: &Bytes,
    key: [u8; KEY_BYTES],
    iv: Option<[u8; 16]>,
    sequence: u64,
) -> Option<Bytes> {
    let iv = iv.unwrap_or_else(|| u128::from(sequence).to_be_bytes());
    let cipher = cbc::Decryptor::<aes::Aes128>::new(&key.into(), &iv.into());
    // In 255 of 256 cases, a wrong key is recognized by invalid padding. In the other case, the decoder finds no audio.
    cipher.decrypt_padded_vec::<Pkcs7>(bytes).ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use cbc::cipher::BlockModeEncrypt;

    use super::*;

    #[test]
    fn the_sequence_number_is_the_default_initialization_vector() {
        let (key, clear) = ([7; 16], Bytes::from_static(b"forty-two bytes of something not so secret"));
        for (iv, sequence) in [(None, 300_u64), (Some([9; 16]), 300)] {
            let used = iv.unwrap_or([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 44]);
            let cipher = cbc::Encryptor::<aes::Aes128>::new(&key.into(), &used.into());
            let secret = Bytes::from(cipher.encrypt_padded_vec::<Pkcs7>(&clear));
            assert_eq!(decrypt(&secret, key, iv, sequence), Some(clear.clone()));
            assert_ne!(decrypt(&secret, [8; 16], iv, sequence), Some(clear.clone()));
            assert_eq!(decrypt(&secret.slice(..17), key, iv, sequence), None);
        }
    }
}
