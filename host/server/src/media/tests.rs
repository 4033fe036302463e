//! How files come to Meta: once, and again when their ids end.
#![allow(clippy::unwrap_used)]
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use questline_core::contact::{Contact, PhoneNumber};
use questline_core::event::Wamid;
use questline_core::id::{ConversationId, OutboxRef, OutboxSeq, ReleaseDigest};
use questline_core::media::ReleaseFile;
use questline_core::message::Outbound;
use questline_core::outbox::{MessageClass, NewMessage, SendState};
use questline_core::port::{FileBody, FileInfo, MediaError, StoreError};
use questline_core::release::{Release, Shelf, ShelfChange};
use questline_core::secret::{SecretTemplate, SecretText};
use questline_core::send::Reaction;
use questline_core::time::DAY_MS;
use tokio::sync::watch;

use super::*;
use crate::game::Bundle;
use crate::release::pack;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0";

/// Meta, the store and the clock, in memory.
struct World {
    now: AtomicU64,
    archive: Vec<u8>,
    kept: Mutex<HashMap<UploadKey, Upload>>,
    puts: AtomicUsize,
    asks: AtomicUsize,
    /// Uploads wait while this is true.
    hold: watch::Sender<bool>,
    /// What an upload is refused with.
    refusal: Mutex<Option<SendError>>,
    /// Ids that Meta has lost, and those that were sent.
    lost: Mutex<Vec<String>>,
    sent: Mutex<Vec<String>>,
}

impl Clock for World {
    fn now(&self) -> UnixMs {
        UnixMs(self.now.load(Ordering::SeqCst))
    }
}

#[async_trait]
impl Uploads for World {
    async fn upload(&self, key: &UploadKey) -> Result<Option<Upload>, StoreError> {
        self.asks.fetch_add(1, Ordering::SeqCst);
        Ok(self.kept.lock().unwrap().get(key).cloned())
    }

    async fn keep_upload(&self, key: &UploadKey, upload: Upload) -> Result<(), StoreError> {
        self.kept.lock().unwrap().insert(key.clone(), upload);
        Ok(())
    }

    async fn forget_upload(&self, key: &UploadKey, id: &str) -> Result<(), StoreError> {
        let mut kept = self.kept.lock().unwrap();
        if kept.get(key).is_some_and(|upload| upload.id == id) {
            kept.remove(key);
        }
        Ok(())
    }
}

#[async_trait]
impl Releases for World {
    async fn put_release(&self, _: &GameId, _: Release, _: &[u8]) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn release_archive(&self, _: &GameId, _: &ReleaseDigest) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(Some(self.archive.clone()))
    }

    async fn shelf(&self, _: &GameId) -> Result<Shelf, StoreError> {
        Ok(Shelf::default())
    }

    async fn change_shelf(&self, _: &GameId, _: ShelfChange) -> Result<Option<Shelf>, StoreError> {
        Ok(None)
    }
}

#[async_trait]
impl MediaGraph for World {
    async fn put_file(&self, _: &NumberId, mime_type: &str, _: &str, bytes: Bytes) -> Result<String, MediaError> {
        let _ = self.hold.subscribe().wait_for(|hold| !hold).await;
        assert_eq!((mime_type, &bytes[..]), ("image/png", PNG));
        let n = self.puts.fetch_add(1, Ordering::SeqCst);
        match self.refusal.lock().unwrap().clone() {
            Some(refusal) => Err(MediaError::Refused(refusal)),
            None => Ok(format!("id{n}")),
        }
    }

    async fn open_file(&self, _: &NumberId, _: &str, _: u64) -> Result<(FileInfo, Box<dyn FileBody>), MediaError> {
        Err(MediaError::NotFound)
    }
}

fn refusal(code: u32, detail: &str) -> SendError {
    SendError { code, http_status: 400, detail: detail.into(), reaction: Reaction::DeadLetter, alert: false }
}

#[async_trait]
impl Graph for World {
    async fn send(&self, message: &OutboxMessage) -> SendOutcome {
        let Content::Reply { message, .. } = &message.message.content else { panic!() };
        let id = match message.media() {
            Some((_, MediaSource::Id(id))) => id.clone(),
            Some(_) => panic!("a file goes by its id"),
            None => "none".to_owned(),
        };
        if self.lost.lock().unwrap().contains(&id) {
            return SendOutcome::Refused(refusal(100, "Param image['id'] is not a valid whatsapp business account media attachment ID"));
        }
        self.sent.lock().unwrap().push(id);
        SendOutcome::Accepted { wamid: Wamid("wamid.1".into()) }
    }

    async fn send_secret(&self, _: &OutboxMessage, _: &SecretText) -> SendOutcome {
        panic!()
    }

    async fn send_secret_template(&self, _: &OutboxMessage, _: &SecretTemplate) -> SendOutcome {
        panic!()
    }
}

fn game() -> GameId {
    GameId::parse("game").unwrap()
}

fn world() -> (Arc<World>, Arc<MediaDesk>, OutboxMessage) {
    let files: BTreeMap<String, Bytes> = [("media/banner.png".to_owned(), Bytes::from_static(PNG))].into();
    let bundle = Bundle::new(game(), files).unwrap();
    let world = Arc::new(World {
        now: AtomicU64::new(1_790_000_000_000),
        archive: pack(&bundle).unwrap(),
        kept: Mutex::default(),
        puts: AtomicUsize::new(0),
        asks: AtomicUsize::new(0),
        hold: watch::channel(false).0,
        refusal: Mutex::default(),
        lost: Mutex::default(),
        sent: Mutex::default(),
    });
    let of = FileOf { release: *bundle.digest(), digest: jobs::digest_of(PNG) };
    let source = MediaSource::File(ReleaseFile { name: "banner.png".into(), of: Some(of) });
    let desk = desk(&world);
    (world, desk, message(Outbound::Media { kind: MediaKind::Image, source, caption: None, filename: None }))
}

fn desk(world: &Arc<World>) -> Arc<MediaDesk> {
    Arc::new(MediaDesk::new(MediaParts {
        graph: world.clone(),
        uploads: world.clone(),
        releases: world.clone(),
        games: Arc::new(Games::default()),
        clock: world.clone(),
        metrics: Arc::new(Metrics::default()),
        links: LinkFetcher::new().unwrap(),
    }))
}

fn message(message: Outbound) -> OutboxMessage {
    let message = NewMessage {
        game: game(),
        number: NumberId::parse("1001").unwrap(),
        contact: Contact::new(PhoneNumber::parse("15550101").ok(), None).unwrap(),
        class: MessageClass::Normal,
        content: Content::Reply { message, reply_to: None },
        committed_at: UnixMs(1),
        expires_at: None,
        campaign: None,
        known: Default::default(),
    };
    let id = OutboxRef { conversation: ConversationId(1), seq: OutboxSeq(1) };
    OutboxMessage { id, message, attempts: 0, due_at: UnixMs(0), state: SendState::Queued }
}

impl World {
    fn sent(&self) -> Vec<String> {
        std::mem::take(&mut *self.sent.lock().unwrap())
    }

    fn puts(&self) -> usize {
        self.puts.load(Ordering::SeqCst)
    }

    fn pass_days(&self, days: u64) {
        self.now.fetch_add(days * DAY_MS, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_crowd_waits_for_one_upload_and_few_wait_in_their_turn() {
    let (world, desk, message) = world();
    world.hold.send_replace(true);
    let crowd: Vec<_> = (0..100)
        .map(|_| {
            let (world, desk, message) = (world.clone(), desk.clone(), message.clone());
            tokio::spawn(async move { desk.send(&*world, &message).await })
        })
        .collect();
    while desk.waiting.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    while crowd.iter().filter(|one| one.is_finished()).count() < 100 - WAITING_MAX {
        tokio::task::yield_now().await;
    }
    world.hold.send_replace(false);
    let (mut accepted, mut later) = (0, 0);
    for one in crowd {
        match one.await.unwrap() {
            Ok(SendOutcome::Accepted { .. }) => accepted += 1,
            Err(Untold::Later { .. }) => later += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((accepted, later, world.puts()), (WAITING_MAX, 100 - WAITING_MAX, 1));
}

#[tokio::test]
async fn a_message_without_a_file_asks_nobody() {
    let (world, desk, _) = world();
    let text = message(Outbound::Text { body: "hi".into(), preview: false });
    assert!(desk.send(&*world, &text).await.is_ok());
    assert_eq!((world.asks.load(Ordering::SeqCst), world.sent()), (0, vec!["none".to_owned()]));
}

#[tokio::test]
async fn an_upload_is_used_for_its_time_and_renewed_before_it_ends() {
    let (world, desk, message) = world();
    for days in [0, 20, 4] {
        world.pass_days(days);
        desk.send(&*world, &message).await.unwrap();
    }
    assert_eq!(world.sent(), ["id0", "id0", "id0"], "for 24 days");
    assert_eq!(world.asks.load(Ordering::SeqCst), 1, "from memory");
    // On the 26th day the old one is sent, and a new one made meanwhile.
    world.pass_days(2);
    desk.send(&*world, &message).await.unwrap();
    while world.puts() < 2 || !desk.memory().is_idle() {
        tokio::task::yield_now().await;
    }
    desk.send(&*world, &message).await.unwrap();
    assert_eq!(world.sent(), ["id0", "id1"]);
    // Unused for longer than Meta keeps it: nobody sends it.
    world.pass_days(40);
    desk.send(&*world, &message).await.unwrap();
    assert_eq!(world.sent(), ["id2"]);
    // Another process of the host knows it from the store.
    desk.send(&*world, &message).await.unwrap();
    let other = self::desk(&world);
    other.send(&*world, &message).await.unwrap();
    assert_eq!((world.sent(), world.puts()), (vec!["id2".to_owned(), "id2".to_owned()], 3));
}

#[tokio::test]
async fn an_upload_that_cannot_be_renewed_goes_on_while_it_is_good() {
    let (world, desk, message) = world();
    desk.send(&*world, &message).await.unwrap();
    world.pass_days(27);
    *world.refusal.lock().unwrap() = Some(refusal(131_000, "no"));
    let other = self::desk(&world);
    other.send(&*world, &message).await.unwrap();
    assert_eq!(world.sent(), ["id0", "id0"]);
    world.pass_days(3);
    assert!(matches!(other.send(&*world, &message).await, Ok(SendOutcome::Refused(error)) if error.code == 131_000));
}

#[tokio::test]
async fn what_meta_has_lost_is_put_there_once_more_and_no_oftener() {
    let (world, desk, message) = world();
    desk.send(&*world, &message).await.unwrap();
    world.lost.lock().unwrap().push("id0".into());
    assert!(matches!(desk.send(&*world, &message).await, Ok(SendOutcome::Accepted { .. })));
    assert_eq!((world.sent(), world.puts()), (vec!["id0".to_owned(), "id1".to_owned()], 2));
    *world.lost.lock().unwrap() = (0..10).map(|n| format!("id{n}")).collect();
    assert!(matches!(desk.send(&*world, &message).await, Ok(SendOutcome::Refused(error)) if error.code == 100));
    assert_eq!(world.puts(), 3, "one more try");
}

#[tokio::test]
async fn a_message_that_failed_before_goes_with_a_new_upload() {
    let (world, desk, mut message) = world();
    desk.send(&*world, &message).await.unwrap();
    message.attempts = 1;
    desk.send(&*world, &message).await.unwrap();
    world.pass_days(1);
    desk.send(&*world, &message).await.unwrap();
    desk.send(&*world, &message).await.unwrap();
    assert_eq!(world.sent(), ["id0", "id0", "id1", "id1"]);
}

#[tokio::test]
async fn a_file_that_is_not_there_is_refused_and_not_looked_for_again_at_once() {
    let (world, desk, message) = world();
    let other = desk.clone();
    let mut gone = message.clone();
    let Content::Reply { message, .. } = &mut gone.message.content else { panic!() };
    let Some(MediaSource::File(file)) = message.media_mut() else { panic!() };
    file.of.as_mut().unwrap().digest = questline_core::media::ContentDigest([9; 32]);
    for _ in 0..3 {
        let refused = other.send(&*world, &gone).await;
        assert!(
            matches!(&refused, Err(Untold::Never { reason: "media-refused", detail }) if detail.contains("media/banner.png")),
            "{refused:?}"
        );
    }
    assert_eq!(world.asks.load(Ordering::SeqCst), 1);
}
