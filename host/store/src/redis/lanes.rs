//! Lanes in Redis: which a partition has, where failed messages go again, and what layout 2 had in one queue.

use questline_core::commit::Resend;
use questline_core::id::{ConversationId, OutboxRef};
use questline_core::lane::Lane;
use questline_core::outbox::NewMessage;
use questline_core::port::StoreError;
use questline_core::time::DAY_MS;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Value};

use super::conversations::name_of;
use super::keys::{Keys, Partition};
use super::options::OpenError;
use super::script::Script;
use super::server::{Server, pipeline};
use super::session::Session;
use super::{RedisStore, value};
use crate::seal::{Kind, Owner, Sealer};

/// Messages that are put into their lanes at once.
const CHUNK: usize = 256;

/// The lanes that a script names.
pub(super) fn read(names: &Value) -> Result<Vec<Lane>, StoreError> {
    let lane = |name| {
        let lane = Lane::parse(value::text(name)?);
        lane.ok_or_else(|| StoreError::Corrupt("a lane has an odd name".to_owned()))
    };
    value::list(names)?.iter().map(lane).collect()
}

/// What reads what a message says.
pub(super) fn body_command(keys: &Keys, id: OutboxRef) -> Cmd {
    let mut command = redis::cmd("HGET");
    command.arg(keys.key(Partition::of(id.conversation), &format!("b:{}", id.seq.0 / DAY_MS))).arg(id.to_string());
    command
}

/// The lane of a message by what it says; none if that is gone or cannot be read.
fn lane_of(sealer: &Sealer, id: OutboxRef, body: &Value) -> Result<Option<Lane>, StoreError> {
    let Some(body) = value::optional_bytes(body)? else { return Ok(None) };
    match sealer.open::<NewMessage>(Owner::number(Kind::Message, id.conversation.0), body) {
        Ok(message) => Ok(Some(Lane::of(&message))),
        Err(error) => {
            tracing::error!(%error, message = %id, "a message in the outbox is left where it is");
            Ok(None)
        }
    }
}

impl RedisStore {
    /// The lanes to which failed messages of a conversation go again; empty for one whose content is gone.
    pub(super) async fn lanes_of(
        &self,
        session: &Session,
        conversation: ConversationId,
        resend: &[Resend],
    ) -> Result<Vec<String>, StoreError> {
        let ids = resend.iter().map(|resend| resend.id).filter(|id| id.conversation == conversation).collect::<Vec<_>>();
        let reads = ids.iter().map(|id| body_command(&self.keys, *id)).collect();
        let bodies = self.link.call(session, reads, None).await?;
        let lane = |(id, body): (&OutboxRef, &Value)| {
            lane_of(&self.sealer, *id, body).map(|lane| lane.map_or_else(String::new, |lane| lane.to_string()))
        };
        ids.iter().zip(&bodies).map(lane).collect()
    }
}

impl Server {
    /// Puts into their lanes the messages that layout 2 had in one queue for each partition, if there may be some.
    pub(super) async fn put_into_lanes(
        &self,
        connection: &mut MultiplexedConnection,
        session: &Session,
        sealer: &Sealer,
    ) -> Result<(), OpenError> {
        let mut look = redis::cmd("EXISTS");
        look.arg(self.keys.relane());
        let answers = pipeline(connection, vec![look]).await?;
        let [is_due] = value::exactly(&answers)?;
        if value::number(is_due)? == 0 {
            return Ok(());
        }
        let mut moved = 0;
        for partition in Partition::all() {
            let mut unreadable = 0;
            loop {
                let mut read = redis::cmd("ZRANGE");
                read.arg(self.keys.key(partition, "queue")).arg(unreadable).arg(unreadable + CHUNK - 1);
                let answers = pipeline(connection, vec![read]).await?;
                let [names] = value::exactly(&answers)?;
                let names = value::list(names)?;
                let ids = names.iter().map(|name| Ok(name_of(value::text(name)?))).collect::<Result<Vec<_>, StoreError>>()?;
                let ids = ids.into_iter().flatten().collect::<Vec<_>>();
                let bodies = pipeline(connection, ids.iter().map(|id| body_command(&self.keys, *id)).collect()).await?;
                let mut lanes = Vec::with_capacity(ids.len());
                for (id, body) in ids.iter().zip(&bodies) {
                    lanes.extend(lane_of(sealer, *id, body)?.map(|lane| (*id, lane)));
                }
                unreadable += names.len() - lanes.len();
                if !lanes.is_empty() {
                    let mut command = self.scripts.fenced(Script::Relane, &self.keys, session, partition, 96 * lanes.len());
                    command.arg(lanes.len());
                    for (id, lane) in &lanes {
                        command.arg(id.to_string()).arg(lane.to_string());
                    }
                    pipeline(connection, vec![command]).await?;
                    moved += lanes.len();
                }
                if names.len() < CHUNK {
                    break;
                }
            }
        }
        let mut done = redis::cmd("DEL");
        done.arg(self.keys.relane());
        pipeline(connection, vec![done]).await?;
        tracing::info!(messages = moved, "messages that waited are in their lanes");
        Ok(())
    }
}
