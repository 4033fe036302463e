//! Named documents. Each is a key of its own, written by whoever comes first: they belong to no partition, so they carry
//! no fence, and a write holds only if nobody else wrote in between.

use async_trait::async_trait;
use questline_core::port::StoreError;

use super::RedisStore;
use super::script::Script;
use super::session::Session;
use super::value;
use crate::documents::{DocumentWrite, Documents, Expected, over_documents};
use crate::seal::{Draft, Owner};
use crate::sending::sending_over_documents;

#[async_trait]
impl Documents for RedisStore {
    async fn read_document(&self, name: String) -> Result<Option<Vec<u8>>, StoreError> {
        let session = self.link.session()?;
        let sealed = self.document_as_it_lies(&session, &name).await?;
        sealed.map(|sealed| self.sealer.opened(Owner::document(&name), &sealed, |value| Ok(value.to_vec()))).transpose()
    }

    async fn write_document(&self, write: DocumentWrite) -> Result<bool, StoreError> {
        let DocumentWrite { name, expected, value } = write;
        let session = self.link.session()?;
        let owner = Owner::document(&name);
        // What is expected is known as it was sealed only by looking.
        let expected = match expected {
            Expected::This(expected) => {
                let Some(lies) = self.document_as_it_lies(&session, &name).await? else { return Ok(false) };
                if !self.sealer.opened(owner, &lies, |value| Ok(value == expected))? {
                    return Ok(false);
                }
                Expected::This(lies)
            }
            other => other,
        };
        let value = value.map(|value| self.sealer.seal(owner, Draft::bytes(&[&value]))).transpose()?;
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

impl RedisStore {
    async fn document_as_it_lies(&self, session: &Session, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let mut command = redis::cmd("GET");
        command.arg(self.keys.document(name));
        let answers = self.link.call(session, vec![command], None).await?;
        let [answer] = value::exactly(&answers)?;
        Ok(value::optional_bytes(answer)?.map(<[u8]>::to_vec))
    }

    /// Gives a document the first key, if it is still what it was; says what it lay as.
    pub(super) async fn document_anew(
        &self,
        session: &Session,
        name: &str,
    ) -> Result<Option<(Vec<u8>, Result<bool, StoreError>)>, StoreError> {
        let Some(lies) = self.document_as_it_lies(session, name).await? else { return Ok(None) };
        let anew = match self.sealer.reseal(Owner::document(name), &lies) {
            Ok(Some(anew)) => anew,
            Ok(None) => return Ok(Some((lies, Ok(false)))),
            Err(problem) => return Ok(Some((lies, Err(problem)))),
        };
        let mut command = self.scripts.call(Script::Document, &[&self.keys.document(name)], lies.len() + anew.len());
        command.arg("this").arg(&lies).arg(anew);
        self.link.call(session, vec![command], None).await?;
        Ok(Some((lies, Ok(true))))
    }
}

over_documents!(RedisStore, |store: &RedisStore| store.memory.clock.now());
sending_over_documents!(RedisStore);
