//! Reaches a server: connects, looks at what it is, takes every partition, reads what waits.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use questline_core::port::StoreError;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, Pipeline, Value};

use super::about;
use super::keys::{Keys, OPEN_SCHEMA, PARTITIONS, Partition, QUEUE_SCHEMA, SCHEMA};
use super::lanes;
use super::memory::{Found, Memory, News};
use super::moves;
use super::options::{DurabilityWarning, OpenError, RedisOptions};
use super::outbox::{self, QueuePage};
use super::owner::Owner;
use super::script::{Script, Scripts};
use super::session::Session;
use super::value;
use crate::seal::{PLAIN, Sealer, StoreKeys};

/// Partitions that are asked for in one pipeline.
const CHUNK: usize = 128;

/// A server to be reached, again and again.
pub(super) struct Server {
    client: Client,
    config: AsyncConnectionConfig,
    pub(super) keys: Arc<Keys>,
    pub(super) scripts: Arc<Scripts>,
    owner: Owner,
    store_keys: StoreKeys,
    /// From the first session on.
    sealer: OnceLock<Sealer>,
    pub(super) lease_ttl: Duration,
}

/// A connection with every partition taken.
pub(super) struct Established {
    pub(super) connection: MultiplexedConnection,
    pub(super) session: Arc<Session>,
    pub(super) warnings: Vec<DurabilityWarning>,
    pub(super) sealer: Sealer,
}

impl Server {
    pub(super) fn new(options: &RedisOptions, store_keys: StoreKeys) -> Result<Self, OpenError> {
        // The parser's words do not repeat the URL.
        let client = Client::open(options.url.as_str()).map_err(|error| OpenError::Url(error.to_string()))?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(options.call_timeout))
            .set_response_timeout(Some(options.call_timeout))
            // A batch leaves in as few writes as it can.
            .set_write_backpressure_boundary(256 << 10);
        Ok(Self {
            client,
            config,
            keys: Arc::new(Keys::new(&options.prefix)),
            scripts: Arc::new(Scripts::new()),
            owner: Owner::new(),
            store_keys,
            sealer: OnceLock::new(),
            lease_ttl: options.lease_ttl,
        })
    }

    /// Connects, takes every partition under a new epoch, and reads into memory what waits in them.
    pub(super) async fn establish(&self, memory: &Memory, number: u64) -> Result<Established, OpenError> {
        let mut connection = self
            .client
            .get_multiplexed_async_connection_with_config(&self.config)
            .await
            .map_err(|error| OpenError::Unreachable(error.to_string()))?;
        let warnings = about::look(&mut connection).await?;
        let before = self.check_schema(&mut connection).await?;
        pipeline(&mut connection, Scripts::load().collect()).await?;

        let mut epoch = redis::cmd("INCR");
        epoch.arg(self.keys.epoch());
        let answers = pipeline(&mut connection, vec![epoch]).await?;
        let [epoch] = value::exactly(&answers)?;
        let session = Session { number, lease: format!("{} {}", value::number(epoch)?, self.owner.0) };

        if let Err(error) = self.acquire(&mut connection, &session).await {
            self.leave(&mut connection, &session).await;
            return Err(error);
        }
        let sealer = match self.seal_with(&mut connection, before).await {
            Ok(sealer) => sealer,
            Err(error) => {
                self.leave(&mut connection, &session).await;
                return Err(error);
            }
        };
        self.put_into_lanes(&mut connection, &session, &sealer).await?;
        let found = self.scan(&mut connection, &session, memory, &sealer).await?;
        if number > 1 {
            self.read_unseen(&mut connection, &session, memory, &found, &sealer).await?;
        }
        memory.replace(&found, number == 1);
        Ok(Established { connection, session: Arc::new(session), warnings, sealer })
    }

    /// What seals here. The key that it seals with is listed before anything is sealed; the list of a server that lost its
    /// last writes counts too.
    async fn seal_with(&self, connection: &mut MultiplexedConnection, before: u64) -> Result<Sealer, OpenError> {
        let list = self.keys.listed_keys();
        let mut read = redis::cmd("SMEMBERS");
        read.arg(&list);
        let answers = pipeline(connection, vec![read]).await?;
        let [listed] = value::exactly(&answers)?;
        let mut listed = value::list(listed)?.iter().map(|name| value::text(name)).collect::<Result<Vec<_>, _>>()?;
        if before == OPEN_SCHEMA {
            listed.push(PLAIN);
        }
        let sealer = match self.sealer.get() {
            Some(sealer) => {
                sealer.note_listed(listed)?;
                sealer.clone()
            }
            None => {
                let sealer = Sealer::new(self.store_keys.clone(), listed)?;
                self.sealer.get_or_init(|| sealer).clone()
            }
        };
        let mut add = redis::cmd("SADD");
        add.arg(&list).arg(sealer.first_id().to_string()).arg(sealer.older());
        let mut schema = redis::cmd("MSET");
        schema.arg(self.keys.schema()).arg(SCHEMA);
        if before < SCHEMA {
            // In one write: what waits is put into its lanes by whoever opens the data next, if this process ends meanwhile.
            schema.arg(self.keys.relane()).arg(1);
        }
        pipeline(connection, vec![add, schema]).await?;
        Ok(sealer)
    }

    /// Says which layout it is: this one, or one that is taken over.
    async fn check_schema(&self, connection: &mut MultiplexedConnection) -> Result<u64, OpenError> {
        let key = self.keys.schema();
        let mut claim = redis::cmd("SET");
        claim.arg(&key).arg(SCHEMA).arg("NX");
        let mut read = redis::cmd("GET");
        read.arg(&key);
        let answers = pipeline(connection, vec![claim, read]).await?;
        let [_, found] = value::exactly(&answers)?;
        let found = value::text(found)?;
        if let Some(known) = [SCHEMA, QUEUE_SCHEMA, OPEN_SCHEMA].into_iter().find(|known| known.to_string() == found) {
            return Ok(known);
        }
        let found = found.chars().filter(|c| !c.is_control()).take(32).collect();
        Err(OpenError::Schema { found, supported: SCHEMA })
    }

    /// Takes the first partition, and only then the others: of two processes that start at once, one gets all.
    async fn acquire(&self, connection: &mut MultiplexedConnection, session: &Session) -> Result<(), OpenError> {
        let mut dead = String::new();
        // A dead holder is found out at the first partition; a second one among the others is waited for.
        for _ in 0..2 {
            let first = self.acquire_command(session, Partition::FIRST, &dead);
            let answers = pipeline(connection, vec![first]).await?;
            match held(&answers)? {
                None => break,
                Some((owner, ends_in_ms)) => {
                    if !owner.is_dead() || !dead.is_empty() {
                        return Err(OpenError::Held { holder: owner.shown(), ends_in_ms });
                    }
                    dead = owner.0;
                }
            }
        }
        let rest = Partition::all().skip(1).collect::<Vec<_>>();
        for chunk in rest.chunks(CHUNK) {
            let commands = chunk.iter().map(|partition| self.acquire_command(session, *partition, &dead)).collect();
            if let Some((owner, ends_in_ms)) = held(&pipeline(connection, commands).await?)? {
                return Err(OpenError::Held { holder: owner.shown(), ends_in_ms });
            }
        }
        Ok(())
    }

    fn acquire_command(&self, session: &Session, partition: Partition, dead: &str) -> Cmd {
        let mut command = self.scripts.call(Script::Acquire, &[self.keys.lease(partition)], 256);
        command.arg(&session.lease).arg(self.lease_ttl.as_millis() as u64).arg(&self.owner.0).arg(dead);
        command
    }

    /// Keeps some partitions: those from `from` on, [`CHUNK`] of them.
    pub(super) fn renew_commands(&self, session: &Session, from: u16) -> Vec<Cmd> {
        let renew = |partition| {
            let mut command = self.scripts.call(Script::Renew, &[self.keys.lease(partition)], 128);
            command.arg(&session.lease).arg(self.lease_ttl.as_millis() as u64);
            command
        };
        Partition::all().skip(from.into()).take(CHUNK).map(renew).collect()
    }

    /// How often [`renew_commands`](Self::renew_commands) is to be done for the next ones: each partition's turn comes
    /// three times within the life of its lease.
    pub(super) fn renew_every(&self) -> Duration {
        self.lease_ttl / (3 * u32::from(PARTITIONS) / CHUNK as u32)
    }

    /// Gives every partition up. What fails here ends by itself when the leases expire.
    pub(super) async fn leave(&self, connection: &mut MultiplexedConnection, session: &Session) {
        let partitions = Partition::all().collect::<Vec<_>>();
        for chunk in partitions.chunks(CHUNK) {
            let leave = |partition: &Partition| {
                let mut command = self.scripts.call(Script::Leave, &[self.keys.lease(*partition)], 128);
                command.arg(&session.lease);
                command
            };
            if let Err(error) = pipeline(connection, chunk.iter().map(leave).collect()).await {
                tracing::warn!(%error, "partitions of the store were not given up; their leases expire");
                return;
            }
        }
    }

    async fn scan(
        &self,
        connection: &mut MultiplexedConnection,
        session: &Session,
        memory: &Memory,
        sealer: &Sealer,
    ) -> Result<Vec<(Partition, Found)>, OpenError> {
        let partitions = Partition::all().collect::<Vec<_>>();
        let mut all = Vec::with_capacity(partitions.len());
        for chunk in partitions.chunks(CHUNK) {
            let scan = |partition: &Partition| {
                let mut command = self.scripts.fenced(Script::Scan, &self.keys, session, *partition, 32);
                command.arg(memory.places_seen(*partition));
                command
            };
            let answers = pipeline(connection, chunk.iter().map(scan).collect()).await?;
            for (partition, answer) in chunk.iter().zip(&answers) {
                let [timer_next, lanes, place, moves, waiting] = value::exactly(value::list(answer)?)?;
                for record in value::list(moves)? {
                    match moves::replay_noted(&self.keys, &self.scripts, sealer, *partition, value::bytes(record)?) {
                        Ok(commands) => drop(pipeline(connection, commands).await?),
                        // One that cannot be read must not hold up all others.
                        Err(error) => tracing::error!(%error, partition = partition.0, "a note of names that moved stays where it is"),
                    }
                }
                let mut found = Found {
                    timer_next: value::optional_number(timer_next)?,
                    lanes: lanes::read(lanes)?,
                    place: value::number(place)?,
                    waiting: Vec::new(),
                };
                for inbox in value::list(waiting)?.chunks(3) {
                    let [conversation, game, length] = value::exactly(inbox)?;
                    found.waiting.push((
                        value::conversation(conversation)?,
                        value::game(game)?,
                        value::number(length)?.try_into().unwrap_or(u32::MAX),
                    ));
                }
                all.push((*partition, found));
            }
        }
        Ok(all)
    }

    /// Brings to the hand-out what was queued and memory was not told: by writes whose answers were lost. The first
    /// session needs it not: its hand-out reads every queue from the start.
    async fn read_unseen(
        &self,
        connection: &mut MultiplexedConnection,
        session: &Session,
        memory: &Memory,
        found: &[(Partition, Found)],
        sealer: &Sealer,
    ) -> Result<(), OpenError> {
        for (partition, found) in found {
            let seen = memory.places_seen(*partition);
            if seen >= found.place {
                continue;
            }
            for lane in &found.lanes {
                let mut after = seen;
                loop {
                    let command = outbox::page_command(&self.scripts, &self.keys, session, *partition, lane, after);
                    let answers = pipeline(connection, vec![command]).await?;
                    let [answer] = value::exactly(&answers)?;
                    let QueuePage { messages, last, end } = QueuePage::read(answer, sealer)?;
                    let mut news = News::default();
                    news.placed.extend(messages.into_iter().map(|placed| (*partition, placed)));
                    memory.learn(&mut news);
                    after = last;
                    if end {
                        break;
                    }
                }
            }
            memory.saw_place(*partition, found.place);
        }
        Ok(())
    }
}

/// Who holds one of the partitions that were asked for, and for how long.
fn held(answers: &[Value]) -> Result<Option<(Owner, u64)>, StoreError> {
    for answer in answers {
        let answer = value::list(answer)?;
        if let [taken, holder, ends_in_ms] = answer
            && value::number(taken)? == 0
        {
            let owner = Owner::of_lease(value::text(holder)?).unwrap_or(Owner(String::new()));
            return Ok(Some((owner, value::number(ends_in_ms).unwrap_or(0))));
        }
    }
    Ok(None)
}

/// Has commands done; any refusal is an error.
pub(super) async fn pipeline(connection: &mut MultiplexedConnection, commands: Vec<Cmd>) -> Result<Vec<Value>, StoreError> {
    let mut pipeline = Pipeline::with_capacity(commands.len());
    let count = commands.len();
    if count == 0 {
        return Ok(Vec::new());
    }
    for command in commands {
        pipeline.add_command(command);
    }
    let answers = connection.send_packed_commands(&pipeline, 0, count).await.map_err(|error| value::failed(&error))?;
    answers.iter().try_for_each(value::check)?;
    Ok(answers)
}
