//! How many codes may be asked for. Each guard counts in a place of its own, and all of them within one game.

use serde::{Deserialize, Serialize};

use crate::contact::PhoneNumber;
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, UnixMs};

/// What a game allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuardRules {
    /// Codes for one contact within any hour.
    pub contact_per_hour: u32,
    /// Before the second code for a contact; doubles with each further one that is not used.
    pub resend_wait_s: u32,
    /// Codes asked for from one network address within any hour.
    pub ip_per_hour: u32,
    /// Codes asked for from one device within any hour.
    pub device_per_hour: u32,
    /// Codes for numbers that differ in their last four digits only, within any hour.
    pub prefix_per_hour: u32,
    /// Codes for one country calling code on one day (UTC).
    pub dial_code_per_day: u32,
    /// From so many codes on the approval rate of a country calling code counts.
    pub approval_sample_min: u32,
    /// Below so many approvals in a thousand codes, no more go to that country calling code for a while.
    pub approval_permille_min: u32,
}

impl Default for GuardRules {
    fn default() -> Self {
        Self {
            contact_per_hour: 5,
            resend_wait_s: 30,
            ip_per_hour: 30,
            device_per_hour: 10,
            prefix_per_hour: 60,
            dial_code_per_day: 50_000,
            approval_sample_min: 200,
            approval_permille_min: 100,
        }
    }
}

/// The most that a window of an hour counts: each use takes a place in what is kept.
pub const PER_HOUR_MAX: u32 = 500;

/// Which guard refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuardReason {
    /// The last code for this contact is too fresh.
    ResendWait,
    /// Too many for this contact.
    Contact,
    /// Too many from this address.
    Ip,
    /// Too many from this device.
    Device,
    /// Too many to neighbouring numbers.
    NumberPrefix,
    /// Too many to this country today.
    DialCode,
    /// Too few of those sent to this country are ever used.
    ApprovalRate,
}

impl GuardReason {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::ResendWait, Self::Contact, Self::Ip, Self::Device, Self::NumberPrefix, Self::DialCode, Self::ApprovalRate];

    /// The name in problem details, audit and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ResendWait => "resend-wait",
            Self::Contact => "contact",
            Self::Ip => "ip",
            Self::Device => "device",
            Self::NumberPrefix => "number-prefix",
            Self::DialCode => "dial-code",
            Self::ApprovalRate => "approval-rate",
        }
    }
}

/// A guard refused, and when it would not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", reason.as_str())]
pub struct Refused {
    /// Which guard.
    pub reason: GuardReason,
    /// Not before.
    pub retry_at: UnixMs,
}

/// What was used within the last hour.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Window {
    used: Vec<UnixMs>,
}

impl Window {
    /// Whether nothing was ever counted.
    pub fn is_empty(&self) -> bool {
        self.used.is_empty()
    }

    /// Whether one more is allowed within an hour; else when.
    pub fn allows(&self, per_hour: u32, now: UnixMs) -> Result<(), UnixMs> {
        let per_hour = per_hour.min(PER_HOUR_MAX) as usize;
        let live = self.used.iter().filter(|at| now.since_ms(**at) < HOUR_MS).count();
        if live < per_hour {
            return Ok(());
        }
        // When so many have left that one more fits.
        let leaves = self.used.len().saturating_sub(per_hour);
        Err(self.used.get(leaves).map_or(now.plus_ms(HOUR_MS), |at| at.plus_ms(HOUR_MS)))
    }

    /// Counts one.
    pub fn take(&mut self, now: UnixMs) {
        self.used.retain(|at| now.since_ms(*at) < HOUR_MS);
        if self.used.len() >= PER_HOUR_MAX as usize {
            self.used.remove(0);
        }
        self.used.push(now);
    }

    /// How many within the last hour.
    pub fn len(&self, now: UnixMs) -> usize {
        self.used.iter().filter(|at| now.since_ms(**at) < HOUR_MS).count()
    }

    /// When it can be forgotten.
    pub fn forget_at(&self, now: UnixMs) -> UnixMs {
        self.used.last().map_or(now, |at| at.plus_ms(HOUR_MS))
    }
}

/// How long a code counts on its way, before its approval is missed.
const BUCKET_MS: u64 = 10 * MINUTE_MS;
/// Whole buckets over which the approval rate is taken.
const BUCKETS: u64 = 6;

/// What went to one country calling code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dial {
    day: u64,
    today: u32,
    buckets: Vec<Bucket>,
}

/// Codes made within ten minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Bucket {
    place: u64,
    sent: u32,
    approved: u32,
}

fn place_of(at: UnixMs) -> u64 {
    at.0 / BUCKET_MS
}

impl Dial {
    /// Whether one more may go to this country.
    pub fn allows(&self, rules: &GuardRules, now: UnixMs) -> Result<(), Refused> {
        if self.day == now.0 / DAY_MS && self.today >= rules.dial_code_per_day {
            return Err(Refused { reason: GuardReason::DialCode, retry_at: UnixMs((self.day + 1) * DAY_MS) });
        }
        // Codes of the bucket that runs, and of the one before it, may still be used.
        let last = place_of(now).saturating_sub(2);
        let counted = |bucket: &&Bucket| bucket.place <= last && bucket.place + BUCKETS > last;
        let (sent, approved) = self
            .buckets
            .iter()
            .filter(counted)
            .fold((0u64, 0u64), |(sent, approved), bucket| (sent + u64::from(bucket.sent), approved + u64::from(bucket.approved)));
        if sent >= u64::from(rules.approval_sample_min.max(1)) && approved * 1_000 < sent * u64::from(rules.approval_permille_min) {
            // With each bucket that leaves, less of it counts.
            return Err(Refused { reason: GuardReason::ApprovalRate, retry_at: UnixMs((place_of(now) + 1) * BUCKET_MS) });
        }
        Ok(())
    }

    /// Counts one that goes there.
    pub fn take(&mut self, now: UnixMs) {
        if self.day != now.0 / DAY_MS {
            (self.day, self.today) = (now.0 / DAY_MS, 0);
        }
        self.today = self.today.saturating_add(1);
        let place = place_of(now);
        self.buckets.retain(|bucket| bucket.place + BUCKETS + 2 > place);
        match self.buckets.iter_mut().find(|bucket| bucket.place == place) {
            Some(bucket) => bucket.sent = bucket.sent.saturating_add(1),
            None => self.buckets.push(Bucket { place, sent: 1, approved: 0 }),
        }
    }

    /// Counts one that was used, at the time at which it was made.
    pub fn approve(&mut self, made_at: UnixMs) {
        if let Some(bucket) = self.buckets.iter_mut().find(|bucket| bucket.place == place_of(made_at)) {
            bucket.approved = bucket.approved.saturating_add(1);
        }
    }

    /// When it can be forgotten.
    pub fn forget_at(&self, now: UnixMs) -> UnixMs {
        UnixMs((now.0 / DAY_MS + 1) * DAY_MS).max(now.plus_ms((BUCKETS + 3) * BUCKET_MS))
    }
}

/// How long to wait after the `sent`-th code in a row that was not used.
pub fn resend_wait_ms(rules: &GuardRules, sent: u32) -> u64 {
    match sent {
        0 => 0,
        sent => (u64::from(rules.resend_wait_s) * SECOND_MS).saturating_mul(1 << (sent - 1).min(12)).min(HOUR_MS),
    }
}

/// A phone number's country calling code, by the ITU's plan (E.164): 1 and 7 alone, 44 of two digits, all others of three.
pub fn dial_code(phone: &PhoneNumber) -> &str {
    const TWO: [&str; 44] = [
        "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46", "47", "48", "49", "51", "52", "53", "54",
        "55", "56", "57", "58", "60", "61", "62", "63", "64", "65", "66", "81", "82", "84", "86", "90", "91", "92", "93", "94", "95", "98",
    ];
    let digits = phone.digits();
    let length = match digits {
        _ if digits.starts_with(['1', '7']) => 1,
        _ if digits.get(..2).is_some_and(|two| TWO.contains(&two)) => 2,
        _ => 3,
    };
    digits.get(..length).unwrap_or(digits)
}

/// A phone number without its last four digits.
pub fn number_prefix(phone: &PhoneNumber) -> &str {
    let digits = phone.digits();
    digits.get(..digits.len().saturating_sub(4)).unwrap_or(digits)
}
