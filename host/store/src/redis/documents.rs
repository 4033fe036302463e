//! Named documents. Each is a key of its own, written by whoever comes first: they belong to no partition, so they carry
//! no fence, and a write holds only if nobody else wrote in between.

use async_trait::async_trait;
use questline_core::port::StoreError;

use super::RedisStore;
use super::script::Script;
use super::value;
use crate::documents::{DocumentWrite, Documents, Expected, over_documents};

#[async_trait]
impl Documents for RedisStore {
    async fn read_document(&self, name: String) -> Result<Option<Vec<u8>>, StoreError> {
        let session = self.link.session()?;
        let mut command = redis::cmd("GET");
        command.arg(self.keys.document(&name));
        let answers = self.link.call(&session, vec![command], None).await?;
        let [answer] = value::exactly(&answers)?;
        Ok(value::optional_bytes(answer)?.map(<[u8]>::to_vec))
    }

    async fn write_document(&self, write: DocumentWrite) -> Result<bool, StoreError> {
        let DocumentWrite { name, expected, value } = write;
        let session = self.link.session()?;
        let bytes = value.as_ref().map_or(0, Vec::len);
        let mut command = self.scripts.call(Script::Document, &[&self.keys.document(&name)], bytes);
        match expected {
            Expected::Anything => command.arg("anything").arg(""),
            Expected::Nothing => command.arg("nothing").arg(""),
            Expected::This(expected) => command.arg("this").arg(expected),
        };
        if let Some(value) = value {
            command.arg(value);
        }
        let answers = self.link.call(&session, vec![command], None).await?;
        let [answer] = value::exactly(&answers)?;
        Ok(value::number(answer)? == 1)
    }
}

over_documents!(RedisStore, |store: &RedisStore| store.memory.clock.now());
