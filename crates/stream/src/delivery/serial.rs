//! Serialization of byte buffers and shared sections, for deliveries that are sent to the process that decodes them.

/// Serializes [`bytes::Bytes`] as one byte string.
pub(super) mod bytes {
    use bytes::Bytes;
    use serde::{Deserializer, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(bytes: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(bytes)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        serde_bytes::deserialize::<Vec<u8>, D>(from).map(Bytes::from)
    }
}

/// Serializes a section that several segments share. Each message contains the whole section, so a receiver compares
/// sections by their bytes.
pub(super) mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::super::InitSection;

    pub(in super::super) fn serialize<S: Serializer>(
        section: &Option<Arc<InitSection>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        // An `Arc` has no identity in another process, so its content is sent.
        section.as_deref().serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Arc<InitSection>>, D::Error> {
        Ok(Option::<InitSection>::deserialize(from)?.map(Arc::new))
    }
}
