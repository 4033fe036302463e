//! `[verification]` in game.toml: one-time codes.

use std::collections::BTreeMap;

use questline_core::template::{Category, Template, parameters};
use questline_core::time::SECOND_MS;
use questline_core::verification::guard::{GuardRules, PER_HOUR_MAX};
use questline_core::verification::{CHANNELS_MAX, CodeChannel, CodeRules, CodeSender, DIGITS, Purpose, VerificationRules};
use serde::Deserialize;

use super::GameProblem;
use crate::connector::BackendFile;

/// The table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VerificationFile {
    /// In their order.
    channels: Vec<ChannelFile>,
    #[serde(default)]
    support_link: Option<String>,
    digits: Option<u8>,
    life_s: Option<u32>,
    attempts: Option<u8>,
    #[serde(default)]
    purposes: BTreeMap<Purpose, PurposeFile>,
    #[serde(default)]
    aliases: BTreeMap<String, Purpose>,
    requests_per_hour: Option<u32>,
    resend_wait_s: Option<u32>,
    requests_per_ip_per_hour: Option<u32>,
    requests_per_device_per_hour: Option<u32>,
    requests_per_prefix_per_hour: Option<u32>,
    requests_per_dial_code_per_day: Option<u32>,
    approval_sample_min: Option<u32>,
    approval_permille_min: Option<u32>,
}

/// One of `[[verification.channels]]`: a template, or an operation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChannelFile {
    template: Option<String>,
    operation: Option<String>,
    delivered_within_s: Option<u32>,
}

/// Unless the channel says otherwise.
const DELIVERED_WITHIN_S: u32 = 30;

/// What a code of one purpose has of its own.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PurposeFile {
    digits: Option<u8>,
    life_s: Option<u32>,
    attempts: Option<u8>,
}

fn rule(text: String) -> GameProblem {
    GameProblem::Rule(format!("verification.{text}"))
}

fn within(name: &str, value: u32, range: std::ops::RangeInclusive<u32>) -> Result<(), GameProblem> {
    match range.contains(&value) {
        true => Ok(()),
        false => Err(rule(format!("{name} is {value}; it takes {} to {}", range.start(), range.end()))),
    }
}

impl VerificationFile {
    pub(super) fn into_rules(
        self,
        templates: &BTreeMap<String, Template>,
        backend: &BackendFile,
    ) -> Result<VerificationRules, GameProblem> {
        let senders = self.senders(templates, backend)?;
        let used: Vec<&Template> = senders.iter().filter_map(|sender| templates.get(sender.template()?)).collect();
        self.check_support_link(&used)?;
        let own = PurposeFile { digits: self.digits, life_s: self.life_s, attempts: self.attempts };
        let otherwise = code_rules("", &own, CodeRules::default(), &used)?;
        let purposes = self.purposes.iter().map(|(purpose, file)| {
            let rules = code_rules(&format!("purposes.{}.", purpose.as_str()), file, otherwise, &used)?;
            Ok((*purpose, rules))
        });
        let purposes = purposes.collect::<Result<BTreeMap<_, _>, GameProblem>>()?;
        let life_s_min = purposes.values().map(|rules: &CodeRules| rules.life_s).fold(otherwise.life_s, u32::min);
        let channels = senders.into_iter().zip(&self.channels).enumerate().map(|(place, (by, file))| {
            let within_s = file.delivered_within_s.unwrap_or(DELIVERED_WITHIN_S.min(life_s_min));
            within(&format!("channels[{place}].delivered_within_s"), within_s, 1..=life_s_min)?;
            Ok(CodeChannel { by, delivered_within_ms: u64::from(within_s) * SECOND_MS })
        });
        let channels = channels.collect::<Result<_, GameProblem>>()?;
        if let Some(alias) = self.aliases.keys().find(|alias| Purpose::parse(alias).is_some() || !(1..=64).contains(&alias.len())) {
            return Err(rule(format!("aliases.{alias}: an alias is a name of its own, of 1 to 64 bytes, for one of the purposes")));
        }
        let guards = self.guards()?;
        let Self { support_link, aliases, .. } = self;
        Ok(VerificationRules { channels, support_link, aliases, purposes, otherwise, guards })
    }

    /// What sends codes, by the names that the channels give.
    fn senders(&self, templates: &BTreeMap<String, Template>, backend: &BackendFile) -> Result<Vec<CodeSender>, GameProblem> {
        if !(1..=CHANNELS_MAX).contains(&self.channels.len()) {
            return Err(rule(format!("channels are {}; there have to be 1 to {CHANNELS_MAX}", self.channels.len())));
        }
        let mut senders: Vec<CodeSender> = Vec::with_capacity(self.channels.len());
        for (place, file) in self.channels.iter().enumerate() {
            let sender = match (&file.template, &file.operation) {
                (Some(name), None) => {
                    let missing = || format!("verification.channels[{place}].template is {name:?}, and templates/ has none of that name");
                    check_template(templates.get(name).ok_or_else(|| GameProblem::TemplateMissing(missing()))?)?;
                    CodeSender::Template(name.clone())
                }
                (None, Some(name)) if backend.declares(name) => CodeSender::Operation(name.clone()),
                (None, Some(name)) => {
                    return Err(rule(format!("channels[{place}].operation is {name:?}, and there is no [backend.operations.{name}]")));
                }
                _ => return Err(rule(format!("channels[{place}] takes a template or an operation, and not both"))),
            };
            if senders.iter().any(|known| known.name() == sender.name()) {
                return Err(rule(format!("channels name {:?} twice", sender.name())));
            }
            senders.push(sender);
        }
        Ok(senders)
    }

    /// Templates of the game's own tell where a player finds help; those of Meta's form tell the code alone.
    fn check_support_link(&self, used: &[&Template]) -> Result<(), GameProblem> {
        let own = used.iter().find(|template| template.category != Category::Authentication);
        match (&self.support_link, own) {
            (None, Some(template)) => {
                Err(rule(format!("support_link is missing: template {:?} tells game, code, minutes and where to find help", template.name)))
            }
            (Some(_), None) => Err(rule("support_link is set, and no template of channels tells it".to_owned())),
            (Some(link), Some(_)) if !link.starts_with("https://") || link.len() > 200 || link.contains(char::is_whitespace) => {
                Err(rule("support_link takes an address that begins with https:// and has at most 200 characters".to_owned()))
            }
            _ => Ok(()),
        }
    }

    fn guards(&self) -> Result<GuardRules, GameProblem> {
        let default = GuardRules::default();
        let hour = |name: &str, value: Option<u32>, default: u32| {
            let value = value.unwrap_or(default);
            within(name, value, 1..=PER_HOUR_MAX).map(|()| value)
        };
        let guards = GuardRules {
            contact_per_hour: hour("requests_per_hour", self.requests_per_hour, default.contact_per_hour)?,
            resend_wait_s: self.resend_wait_s.unwrap_or(default.resend_wait_s),
            ip_per_hour: hour("requests_per_ip_per_hour", self.requests_per_ip_per_hour, default.ip_per_hour)?,
            device_per_hour: hour("requests_per_device_per_hour", self.requests_per_device_per_hour, default.device_per_hour)?,
            prefix_per_hour: hour("requests_per_prefix_per_hour", self.requests_per_prefix_per_hour, default.prefix_per_hour)?,
            dial_code_per_day: self.requests_per_dial_code_per_day.unwrap_or(default.dial_code_per_day),
            approval_sample_min: self.approval_sample_min.unwrap_or(default.approval_sample_min),
            approval_permille_min: self.approval_permille_min.unwrap_or(default.approval_permille_min),
        };
        within("requests_per_hour", guards.contact_per_hour, 1..=20)?;
        within("resend_wait_s", guards.resend_wait_s, 0..=3_600)?;
        within("requests_per_dial_code_per_day", guards.dial_code_per_day, 1..=100_000_000)?;
        within("approval_sample_min", guards.approval_sample_min, 1..=1_000_000)?;
        within("approval_permille_min", guards.approval_permille_min, 0..=1_000)?;
        Ok(guards)
    }
}

/// A code's rules, bounded by what templates say of its life.
fn code_rules(prefix: &str, file: &PurposeFile, otherwise: CodeRules, used: &[&Template]) -> Result<CodeRules, GameProblem> {
    let said = used.iter().filter_map(|template| Some((template.code_expiration_minutes?, &template.name))).min();
    let life_s_max = said.map_or(5_400, |(minutes, _)| u32::from(minutes) * 60);
    let rules = CodeRules {
        digits: file.digits.unwrap_or(otherwise.digits),
        life_s: file.life_s.unwrap_or(otherwise.life_s.min(life_s_max)),
        attempts: file.attempts.unwrap_or(otherwise.attempts),
    };
    within(&format!("{prefix}digits"), rules.digits.into(), u32::from(*DIGITS.start())..=u32::from(*DIGITS.end()))?;
    within(&format!("{prefix}attempts"), rules.attempts.into(), 1..=10)?;
    if !(30..=life_s_max).contains(&rules.life_s) {
        let says = said.map_or_else(String::new, |(minutes, name)| format!(": template {name:?} says {minutes} minutes"));
        return Err(rule(format!("{prefix}life_s is {}; it takes 30 to {life_s_max}{says}", rules.life_s)));
    }
    Ok(rules)
}

/// One of Meta's authentication form, or one of four values that tells game, code, minutes and where to find help.
fn check_template(template: &Template) -> Result<(), GameProblem> {
    let name = &template.name;
    let authentication = template.category == Category::Authentication;
    if template.category == Category::Marketing {
        return Err(rule(format!("template {name:?} is marketing: codes are not")));
    }
    let takes = if authentication { 1 } else { 4 };
    for (language, texts) in &template.languages {
        let found = parameters(&texts.body);
        if found != takes {
            return Err(rule(format!("template {name:?} takes {found} values in {language}; one for codes takes {takes}")));
        }
    }
    Ok(())
}
