//! A studio made of one file: players, their belongings, and backend operations that work on them or answer what the
//! file says. For development, demonstrations and tests; what players claim is forgotten when the host stops.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use questline_core::contact::{Contact, PhoneNumber};
use questline_core::id::PlayerId;
use questline_core::port::{Backend, Balances, DeviceMatch, Players, Profile, Purchase, ServiceError};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::Deserialize;
use serde_json::{Value, json};

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    players: Vec<PlayerFile>,
    #[serde(default)]
    active_events: Vec<Value>,
    /// Of operations that this connector does not work itself.
    #[serde(default)]
    answers: Vec<CannedAnswer>,
}

/// What an operation answers to a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CannedAnswer {
    operation: String,
    /// Fields that the request must have; the first entry whose fields it has is taken.
    #[serde(default)]
    request: serde_json::Map<String, Value>,
    answer: Value,
}

/// A question that the player once chose.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SecurityQuestion {
    /// A text, or one by language.
    question: Value,
    answer: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlayerFile {
    id: PlayerId,
    #[serde(default)]
    phone: Option<PhoneNumber>,
    name: String,
    tier: String,
    #[serde(default)]
    locale: Option<String>,
    #[serde(default)]
    country: Option<String>,
    #[serde(default)]
    time_zone: Option<String>,
    #[serde(default)]
    created_at_ms: Option<u64>,
    balances: BalancesFile,
    #[serde(default)]
    transactions: Vec<Value>,
    #[serde(default)]
    last_purchase: Option<Purchase>,
    #[serde(default)]
    devices: Vec<String>,
    #[serde(default)]
    rewards: Vec<Reward>,
    #[serde(default)]
    security_question: Option<SecurityQuestion>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BalancesFile {
    premium: u64,
    free: u64,
    /// The number of `rewards`, for readers of the file.
    #[serde(default, rename = "pending_rewards")]
    _pending_rewards: Option<u32>,
}

/// Something to claim.
#[derive(Debug, Clone, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
struct Reward {
    id: String,
    name: String,
    #[serde(default)]
    premium: u64,
    #[serde(default)]
    free: u64,
}

struct Player {
    profile: Profile,
    premium: u64,
    free: u64,
    transactions: Vec<Value>,
    last_purchase: Option<Purchase>,
    devices: HashSet<String>,
    rewards: Vec<Reward>,
    security_question: Option<SecurityQuestion>,
    is_frozen: bool,
}

/// The players.
pub(super) struct SampleStudio {
    by_phone: HashMap<PhoneNumber, PlayerId>,
    players: Mutex<HashMap<PlayerId, Player>>,
    active_events: Vec<Value>,
    answers: Vec<CannedAnswer>,
}

impl SampleStudio {
    /// From the file's content.
    pub(super) fn read(content: &[u8]) -> serde_json::Result<Self> {
        let file: File = serde_json::from_slice(content)?;
        let by_phone = file.players.iter().filter_map(|player| Some((player.phone.clone()?, player.id.clone()))).collect();
        let players = file.players.into_iter().map(|player| (player.id.clone(), Player::from(player))).collect();
        Ok(Self { by_phone, players: Mutex::new(players), active_events: file.active_events, answers: file.answers })
    }

    fn players(&self) -> MutexGuard<'_, HashMap<PlayerId, Player>> {
        self.players.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of<T>(&self, player: &PlayerId, read: impl FnOnce(&mut Player) -> T) -> Result<T, ServiceError> {
        self.players().get_mut(player).map(read).ok_or(ServiceError::NotFound)
    }
}

impl From<PlayerFile> for Player {
    fn from(file: PlayerFile) -> Self {
        Self {
            profile: Profile {
                name: file.name,
                tier: file.tier,
                locale: file.locale,
                country: file.country,
                time_zone: file.time_zone,
                created_at: file.created_at_ms.map(questline_core::time::UnixMs),
            },
            premium: file.balances.premium,
            free: file.balances.free,
            transactions: file.transactions,
            last_purchase: file.last_purchase,
            devices: file.devices.into_iter().collect(),
            rewards: file.rewards,
            security_question: file.security_question,
            is_frozen: false,
        }
    }
}

#[async_trait]
impl Players for SampleStudio {
    async fn by_contact(&self, contact: &Contact) -> Result<(PlayerId, Profile), ServiceError> {
        let phone = contact.phone().ok_or(ServiceError::NotFound)?;
        let id = self.by_phone.get(phone).ok_or(ServiceError::NotFound)?;
        Ok((id.clone(), self.profile(id).await?))
    }

    async fn profile(&self, player: &PlayerId) -> Result<Profile, ServiceError> {
        self.of(player, |player| player.profile.clone())
    }

    async fn balances(&self, player: &PlayerId) -> Result<Balances, ServiceError> {
        self.of(player, |player| Balances { premium: player.premium, free: player.free, pending_rewards: player.rewards.len() as u32 })
    }

    async fn last_purchase(&self, player: &PlayerId) -> Result<Option<Purchase>, ServiceError> {
        self.of(player, |player| player.last_purchase.clone())
    }

    async fn contact(&self, player: &PlayerId) -> Result<Contact, ServiceError> {
        let phone = self.by_phone.iter().find(|(_, known)| *known == player).map(|(phone, _)| phone.clone());
        Contact::new(phone, None).ok_or(ServiceError::NotFound)
    }

    async fn check_device(&self, player: &PlayerId, fingerprint: &str) -> Result<DeviceMatch, ServiceError> {
        self.of(player, |player| match player.devices.is_empty() {
            true => DeviceMatch::Unknown,
            false if player.devices.contains(fingerprint) => DeviceMatch::Same,
            false => DeviceMatch::Different,
        })
    }
}

/// Operations on the players, and those that the file has answers for.
pub(super) struct SampleBackend {
    studio: Arc<SampleStudio>,
    declared: BTreeSet<String>,
    /// What changed something, by idempotency key: asked again, it answers the same and changes nothing.
    given: Mutex<Given>,
}

#[derive(Default)]
struct Given {
    answers: HashMap<String, String>,
    order: std::collections::VecDeque<String>,
}

/// Answers that are kept for repetitions.
const GIVEN_MAX: usize = 10_000;

impl SampleBackend {
    pub(super) fn new(studio: Arc<SampleStudio>, declared: BTreeSet<String>) -> Self {
        Self { studio, declared, given: Mutex::default() }
    }

    /// Answers once for each key.
    fn once(&self, key: &str, answer: impl FnOnce() -> Result<String, ServiceError>) -> Result<String, ServiceError> {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = given.answers.get(key) {
            return Ok(answer.clone());
        }
        let answer = answer()?;
        if given.order.len() >= GIVEN_MAX
            && let Some(oldest) = given.order.pop_front()
        {
            given.answers.remove(&oldest);
        }
        given.order.push_back(key.to_owned());
        given.answers.insert(key.to_owned(), answer.clone());
        Ok(answer)
    }

    fn claim(&self, player: &PlayerId) -> Result<String, ServiceError> {
        self.studio.of(player, |player| {
            let claimed = std::mem::take(&mut player.rewards);
            player.premium += claimed.iter().map(|reward| reward.premium).sum::<u64>();
            player.free += claimed.iter().map(|reward| reward.free).sum::<u64>();
            json!({ "claimed": claimed, "premium": player.premium, "free": player.free }).to_string()
        })
    }

    fn credentials(&self, player: &PlayerId) -> Result<String, ServiceError> {
        let mut secret = [0_u8; 9];
        SystemRandom::new().fill(&mut secret).map_err(|_| ServiceError::Unavailable("no randomness".to_owned()))?;
        let password = secret.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let name = self.studio.of(player, |player| (!player.is_frozen).then(|| player.profile.name.to_lowercase()))?;
        let name = name.ok_or_else(|| ServiceError::Invalid("the account is frozen".to_owned()))?;
        Ok(json!({ "username": format!("{name}-recovery"), "password": password }).to_string())
    }

    /// Nobody gets into a frozen account.
    fn freeze(&self, player: &PlayerId, is_frozen: bool) -> Result<String, ServiceError> {
        self.studio.of(player, |player| {
            player.is_frozen = is_frozen;
            json!({}).to_string()
        })
    }

    /// Whether the answer to the player's security question is right, in any case and spacing.
    fn check_answer(&self, player: &PlayerId, request: &Value) -> Result<String, ServiceError> {
        let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        let given = request.get("answer").and_then(Value::as_str).unwrap_or_default();
        let is_right = |known: &SecurityQuestion| plain(&known.answer) == plain(given);
        self.studio.of(player, |player| json!({ "correct": player.security_question.as_ref().is_some_and(is_right) }).to_string())
    }

    fn canned(&self, operation: &str, request: &Value) -> Result<String, ServiceError> {
        let fits = |canned: &&CannedAnswer| {
            canned.operation == operation && canned.request.iter().all(|(name, value)| request.get(name) == Some(value))
        };
        match self.studio.answers.iter().find(fits) {
            Some(canned) => Ok(canned.answer.to_string()),
            None => Err(ServiceError::Invalid(format!("the sample backend has no answer to the operation {operation:?}"))),
        }
    }
}

#[async_trait]
impl Backend for SampleBackend {
    async fn call(&self, operation: &str, player: Option<&PlayerId>, request: &str, idempotency_key: &str) -> Result<String, ServiceError> {
        if !self.declared.contains(operation) {
            return Err(ServiceError::NotGranted(format!("game.toml declares no operation {operation:?}")));
        }
        let known = player.ok_or(ServiceError::NotFound);
        let request: Value = serde_json::from_str(request).map_err(|problem| ServiceError::Invalid(format!("the request: {problem}")))?;
        match operation {
            "active-events" => Ok(json!({ "events": self.studio.active_events }).to_string()),
            "transactions" => {
                let invalid = |problem: serde_json::Error| ServiceError::Invalid(format!("transactions takes {{\"limit\"}}: {problem}"));
                let Page { limit } = serde_json::from_value(request).map_err(invalid)?;
                let page = |all: &[Value]| json!({ "transactions": all.iter().take(limit.unwrap_or(usize::MAX)).collect::<Vec<_>>() });
                self.studio.of(known?, |player| page(&player.transactions).to_string())
            }
            "claim-rewards" => self.once(idempotency_key, || self.claim(known?)),
            "send-code" => self.once(idempotency_key, || send_code(request)),
            "issue-credentials" => self.once(idempotency_key, || self.credentials(known?)),
            "freeze-account" => self.once(idempotency_key, || self.freeze(known?, true)),
            "unfreeze-account" => self.once(idempotency_key, || self.freeze(known?, false)),
            "security-question" => self
                .studio
                .of(known?, |player| json!({ "question": player.security_question.as_ref().map(|known| &known.question) }).to_string()),
            "check-security-answer" => self.check_answer(known?, &request),
            other => self.canned(other, &request),
        }
    }
}

/// Takes a one-time code as a studio's sender of SMS would, and forgets it.
fn send_code(request: Value) -> Result<String, ServiceError> {
    // What is wrong with a request is not told: its code would be told with it.
    let request: Option<SendCode> = serde_json::from_value(request).ok();
    let is_code = |request: &SendCode| request.code.bytes().all(|byte| byte.is_ascii_digit()) && !request.code.is_empty();
    match request.filter(is_code) {
        Some(SendCode { contact, .. }) => Ok(json!({ "by": if contact.phone().is_some() { "sms" } else { "e-mail" } }).to_string()),
        None => {
            Err(ServiceError::Invalid("send-code takes a verification, its code, purpose, locale, expires_at_ms and contact".to_owned()))
        }
    }
}

/// What `send-code` is asked.
#[derive(Deserialize)]
struct SendCode {
    code: zeroize::Zeroizing<String>,
    contact: Contact,
}

/// What `transactions` is asked.
#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    limit: Option<usize>,
}

/// For games that declare no operations.
pub(super) struct NoBackend;

#[async_trait]
impl Backend for NoBackend {
    async fn call(&self, operation: &str, _: Option<&PlayerId>, _: &str, _: &str) -> Result<String, ServiceError> {
        Err(ServiceError::NotGranted(format!("game.toml declares no operation {operation:?}")))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn transactions_are_as_many_as_asked_for() {
        let players = json!({ "players": [{
            "id": "p1", "name": "Ada", "tier": "gold", "balances": { "premium": 10, "free": 5 }, "transactions": [1, 2, 3],
        }]});
        let studio = Arc::new(SampleStudio::read(players.to_string().as_bytes()).unwrap());
        let backend = SampleBackend::new(studio, ["transactions".to_owned()].into());
        let ada = PlayerId::parse("p1").unwrap();
        for (request, expected) in [("{\"limit\":2}", json!([1, 2])), ("{\"limit\":9}", json!([1, 2, 3])), ("{}", json!([1, 2, 3]))] {
            let answer: Value = serde_json::from_str(&backend.call("transactions", Some(&ada), request, "k").await.unwrap()).unwrap();
            assert_eq!(answer["transactions"], expected, "{request}");
        }
        assert!(matches!(backend.call("transactions", Some(&ada), "{\"limit\":-1}", "k").await, Err(ServiceError::Invalid(_))));
    }

    #[tokio::test]
    async fn rewards_are_claimed_once_whatever_is_repeated() {
        let players = json!({ "players": [{
            "id": "p1", "phone": "+15550100", "name": "Ada", "tier": "gold",
            "balances": { "premium": 10, "free": 5 },
            "rewards": [{ "id": "r1", "name": "Daily", "premium": 2, "free": 30 }],
        }]});
        let studio = Arc::new(SampleStudio::read(players.to_string().as_bytes()).unwrap());
        let contact = Contact::new(PhoneNumber::parse("15550100").ok(), None).unwrap();
        let (id, profile) = studio.by_contact(&contact).await.unwrap();
        assert_eq!(profile.tier, "gold");
        let backend = SampleBackend::new(studio.clone(), ["claim-rewards".to_owned()].into());
        let first = backend.call("claim-rewards", Some(&id), "{}", "k1").await.unwrap();
        assert_eq!(backend.call("claim-rewards", Some(&id), "{}", "k1").await.unwrap(), first);
        assert_eq!(studio.balances(&id).await.unwrap(), Balances { premium: 12, free: 35, pending_rewards: 0 });
        let second: Value = serde_json::from_str(&backend.call("claim-rewards", Some(&id), "{}", "k2").await.unwrap()).unwrap();
        assert_eq!(second["claimed"], json!([]));
        assert!(matches!(backend.call("transactions", Some(&id), "{}", "k3").await, Err(ServiceError::NotGranted(_))));
    }

    #[tokio::test]
    async fn operations_answer_what_the_file_says_and_secrets_are_new_for_each_request() {
        let file = json!({
            "players": [{
                "id": "p1", "name": "Ada", "tier": "gold", "balances": { "premium": 0, "free": 0 },
                "security_question": { "question": { "en": "Your first hero?" }, "answer": "Iron Vega" },
            }],
            "answers": [
                { "operation": "rank", "request": { "season": 14 }, "answer": { "rank": 7 } },
                { "operation": "rank", "answer": { "rank": null } },
            ],
        });
        let studio = Arc::new(SampleStudio::read(file.to_string().as_bytes()).unwrap());
        let declared =
            ["rank", "security-question", "check-security-answer", "issue-credentials", "freeze-account", "unfreeze-account", "none"]
                .map(str::to_owned)
                .into();
        let backend = SampleBackend::new(studio, declared);
        let ada = PlayerId::parse("p1").unwrap();
        let call = async |operation: &str, request: Value, key: &str| -> Value {
            let answer = backend.call(operation, Some(&ada), &request.to_string(), key).await.unwrap();
            serde_json::from_str(&answer).unwrap()
        };
        assert_eq!(call("rank", json!({ "season": 14, "region": "eu" }), "k1").await, json!({ "rank": 7 }));
        assert_eq!(call("rank", json!({}), "k2").await, json!({ "rank": null }));
        assert!(matches!(backend.call("none", Some(&ada), "{}", "k3").await, Err(ServiceError::Invalid(_))));

        assert_eq!(call("security-question", json!({}), "k4").await, json!({ "question": { "en": "Your first hero?" } }));
        assert_eq!(call("check-security-answer", json!({ "answer": " iron  VEGA" }), "k5").await, json!({ "correct": true }));
        assert_eq!(call("check-security-answer", json!({ "answer": "iron" }), "k6").await, json!({ "correct": false }));
        assert_eq!(backend.call("check-security-answer", None, "{}", "k7").await, Err(ServiceError::NotFound));

        let first = call("issue-credentials", json!({}), "k8").await;
        assert_eq!(first["username"], "ada-recovery");
        assert_eq!(call("issue-credentials", json!({}), "k8").await, first, "repeated, it is the same");
        assert_ne!(call("issue-credentials", json!({}), "k9").await["password"], first["password"]);
        call("freeze-account", json!({}), "k10").await;
        let refused = backend.call("issue-credentials", Some(&ada), "{}", "k11").await;
        assert!(matches!(refused, Err(ServiceError::Invalid(_))), "{refused:?}");
        call("unfreeze-account", json!({}), "k12").await;
        call("issue-credentials", json!({}), "k13").await;
    }
}
