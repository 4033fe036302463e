//! The host of `bench send`: all of `questline serve`, and beside it what puts messages into its outbox. It does what it is
//! told by lines of its standard input, and answers with a line when it is done.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use questline_core::contact::{Address, Contact, PhoneNumber};
use questline_core::id::{CampaignId, GameId, NumberId};
use questline_core::message::Outbound;
use questline_core::outbox::{Campaign, Content, MessageClass};
use questline_core::port::{Clock, DedupKey, Enqueue, Enqueued, Outbox};
use questline_core::template::{Category, TemplateMessage};
use questline_core::time::DAY_MS;
use tokio::sync::mpsc;

use crate::app::Host;
use crate::cli::sandbox::{GAME, NUMBER};
use crate::cli::{Failure, Outcome};
use crate::clock::SystemClock;
use crate::config::Config;

/// Messages in one write, and writes that are asked for at once.
const BATCH: u64 = 500;
const WRITES: u64 = 8;
/// Of so many messages the keys lead with the same second: they are written next to one another.
const KEYS_A_SECOND: u64 = 4_096;
/// The template that is sent.
pub(super) const TEMPLATE: &str = "season_started";
/// In front of the time in a critical message.
pub(super) const MARK: &str = "t=";
/// The same, of those that are sent while the queue is made.
pub(super) const MARK_MEANWHILE: &str = "m=";
/// Contacts of critical messages: none of them hears more than Meta's pair limit allows.
const CRITICAL_PLAYERS: u64 = 10_000;

/// Arguments.
#[derive(Debug, Parser)]
pub(super) struct Args {
    /// The configuration.
    #[arg(long)]
    at: PathBuf,
}

pub(super) async fn run(args: &Args) -> Outcome {
    let config = Config::load(&args.at).map_err(Failure::config)?;
    let host = Host::start(&config).await.map_err(Failure::new)?;
    let outbox = host.outbox().clone();
    let (told, mut lines) = mpsc::unbounded_channel();
    // Reading blocks: a thread of its own, which ends with the process.
    std::thread::spawn(move || std::io::stdin().lines().map_while(Result::ok).all(|line| told.send(line).is_ok()));
    while let Some(line) = lines.recv().await {
        let mut words = line.split_ascii_whitespace();
        let (what, mut number) = (words.next().unwrap_or_default(), || words.next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0));
        match what {
            "enqueue" => {
                let (messages, per_second) = (number(), number().max(1));
                let took = tokio::select! {
                    took = enqueue(&outbox, messages) => took?,
                    ended = critical(&outbox, MARK_MEANWHILE, u64::MAX, per_second) => return ended.map(|_| ()),
                };
                println!("enqueued {}", took.as_millis());
            }
            "critical" => {
                let (seconds, per_second) = (number(), number().max(1));
                let sent = critical(&outbox, MARK, seconds * per_second, per_second).await?;
                println!("critical {sent}");
            }
            "depth" => println!("depth {}", host.desk().depth().await.map_err(Failure::new)?.outbox),
            _ => break,
        }
    }
    host.stop().await;
    Ok(())
}

fn address(phone: u64) -> Result<Address, Failure> {
    let phone = PhoneNumber::parse(&phone.to_string()).map_err(Failure::new)?;
    let contact = Contact::new(Some(phone), None).ok_or_else(|| Failure::new("no contact"))?;
    let number = NumberId::parse(NUMBER).map_err(Failure::new)?;
    Ok(Address { game: GameId::parse(GAME).map_err(Failure::new)?, number, contact })
}

/// One of a campaign, to a player who was never written to.
fn one_of_many(n: u64, begun_s: u64, campaign: &Campaign) -> Result<Enqueue, Failure> {
    let now = SystemClock.now();
    Ok(Enqueue {
        address: address(15_500_000_000 + n)?,
        dedup: DedupKey {
            sent_s: begun_s + n / KEYS_A_SECOND,
            // As random as a digest is.
            digest: u128::from(n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835),
        },
        class: MessageClass::Low,
        content: Content::Template(TemplateMessage {
            name: TEMPLATE.to_owned(),
            language: "en".to_owned(),
            category: Category::Utility,
            header: None,
            body: vec![format!("Player {n}"), "Season 12".to_owned(), format!("{}", n % 100)],
            buttons: Vec::new(),
        }),
        committed_at: now,
        expires_at: Some(now.plus_ms(DAY_MS)),
        not_before: None,
        campaign: Some(campaign.clone()),
        known: None,
    })
}

async fn enqueue(outbox: &Arc<dyn Outbox>, messages: u64) -> Result<Duration, Failure> {
    let begun_s = SystemClock.now().as_s();
    let campaign = Campaign { id: CampaignId::parse("bench").map_err(Failure::new)?, variant: None };
    let begun = Instant::now();
    let writers = (0..WRITES).map(|writer| {
        let (outbox, campaign) = (outbox.clone(), campaign.clone());
        tokio::spawn(async move {
            let mut from = writer * BATCH;
            while from < messages {
                let batch = (from..messages.min(from + BATCH)).map(|n| one_of_many(n, begun_s, &campaign));
                let enqueued = outbox.enqueue(batch.collect::<Result<_, _>>()?).await.map_err(Failure::new)?;
                if enqueued.contains(&Enqueued::Known) {
                    return Err(Failure::new("a new message was taken for a repetition"));
                }
                from += WRITES * BATCH;
            }
            Ok(())
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.map_err(Failure::new)??;
    }
    Ok(begun.elapsed())
}

/// Critical messages at an even pace, each with the time at which it was asked for.
async fn critical(outbox: &Arc<dyn Outbox>, mark: &str, count: u64, per_second: u64) -> Result<u64, Failure> {
    let begun = Instant::now();
    for n in 0..count {
        tokio::time::sleep_until((begun + Duration::from_micros(n * 1_000_000 / per_second)).into()).await;
        let asked_us = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let now = SystemClock.now();
        let message = Enqueue {
            address: address(14_400_000_000 + n % CRITICAL_PLAYERS)?,
            dedup: DedupKey { sent_s: now.as_s(), digest: asked_us.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835) },
            class: MessageClass::Critical,
            content: Content::Reply { message: Outbound::Text { body: format!("{mark}{asked_us}"), preview: false }, reply_to: None },
            committed_at: now,
            expires_at: Some(now.plus_ms(60_000)),
            not_before: None,
            campaign: None,
            known: None,
        };
        outbox.enqueue(vec![message]).await.map_err(Failure::new)?;
    }
    Ok(count)
}
