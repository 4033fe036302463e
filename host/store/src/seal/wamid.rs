//! Meta's names of messages, which hold phone numbers: kept as a digest, by which statuses are told apart, and the sealed
//! name behind it.

use questline_core::event::Wamid;
use questline_core::id::ConversationId;
use questline_core::port::StoreError;

use super::{Draft, INDEX_LEN, Index, Kind, Named, Owner, Sealer};

fn owner(conversation: ConversationId) -> Owner<'static> {
    Owner::number(Kind::Wamid, conversation.0)
}

impl Sealer {
    /// A name as it is kept in its conversation.
    pub(crate) fn seal_wamid(&self, conversation: ConversationId, wamid: &Wamid) -> Result<Vec<u8>, StoreError> {
        let index = self.index(Named::Wamid, &[wamid.as_str()]);
        let sealed = self.seal(owner(conversation), Draft::bytes(&[wamid.as_str().as_bytes()]))?;
        Ok([&index.as_bytes()[..], &sealed].concat())
    }

    /// The name that was kept.
    pub(crate) fn open_wamid(&self, conversation: ConversationId, kept: &[u8]) -> Result<Wamid, StoreError> {
        let sealed = if Index::in_front(kept).is_some() { kept.get(INDEX_LEN..).unwrap_or_default() } else { kept };
        self.opened(owner(conversation), sealed, |text| Ok(Wamid(String::from_utf8_lossy(text).into())))
    }

    /// Whether this name was kept.
    pub(crate) fn is_wamid(&self, kept: &[u8], wamid: &Wamid) -> bool {
        match Index::in_front(kept) {
            Some(index) => self.indexes(Named::Wamid, &[wamid.as_str()]).any(|known| known == index),
            None => self.has_plain() && kept == wamid.as_str().as_bytes(),
        }
    }

    /// What a name may be kept as, as far as it can be compared: digests, behind one another, and the name itself while
    /// names lie open.
    pub(crate) fn wamid_marks(&self, wamid: &Wamid) -> Vec<u8> {
        let mut marks = Vec::with_capacity(INDEX_LEN);
        self.indexes(Named::Wamid, &[wamid.as_str()]).for_each(|index| marks.extend_from_slice(index.as_bytes()));
        if self.has_plain() {
            marks.extend_from_slice(wamid.as_str().as_bytes());
        }
        marks
    }

    /// The same name under the first key; none if it is there.
    pub(crate) fn reseal_wamid(&self, conversation: ConversationId, kept: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let sealed = kept.get(INDEX_LEN..).unwrap_or_default();
        if self.is_first(kept) && self.is_first(sealed) {
            return Ok(None);
        }
        let wamid = self.open_wamid(conversation, kept)?;
        self.seal_wamid(conversation, &wamid).map(Some)
    }
}
