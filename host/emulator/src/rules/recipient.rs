//! Whom a send is for: phone numbers as Meta normalises them, and business-scoped user ids.

use serde_json::Value;

use crate::graph::error::{MetaError, make};

/// Digits of the shortest and the longest phone number.
const DIGITS_MIN: usize = 7;
const DIGITS_MAX: usize = 15;

/// What the request names as its recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Address<'a> {
    /// `to`, as it was written.
    Phone(&'a str),
    /// `recipient`: a BSUID or parent BSUID.
    UserId(&'a str),
}

/// Reads `to` and `recipient`. Where both stand, `to` wins.
pub(crate) fn address(request: &Value) -> Result<Address<'_>, MetaError> {
    match (&request["to"], &request["recipient"]) {
        (Value::String(to), _) if !to.is_empty() => Ok(Address::Phone(to)),
        (Value::Null | Value::String(_), Value::String(id)) if !id.is_empty() => {
            if is_user_id(id) {
                Ok(Address::UserId(id))
            } else {
                Err(make::bad_value("Param recipient must be a business-scoped user ID."))
            }
        }
        (Value::Null | Value::String(_), Value::Null | Value::String(_)) => Err(make::invalid("The parameter to is required.")),
        _ => Err(make::invalid("Param to must be a string.")),
    }
}

/// `CC.` and up to 128 letters and digits; `CC.ENT.` for ids over several portfolios.
pub(crate) fn is_user_id(text: &str) -> bool {
    let Some((country, rest)) = text.split_once('.') else {
        return false;
    };
    let id = rest.strip_prefix("ENT.").unwrap_or(rest);
    country.len() == 2
        && country.bytes().all(|byte| byte.is_ascii_uppercase())
        && (1..=128).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The `wa_id` behind a phone number in any notation; `None` if it cannot be one.
pub(crate) fn wa_id(phone: &str) -> Option<String> {
    let plain = |c: &char| !matches!(c, '+' | ' ' | '-' | '(' | ')' | '.');
    let digits: String = phone.chars().filter(plain).collect();
    let is_number = (DIGITS_MIN..=DIGITS_MAX).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| rewrite(digits))
}

/// The country code of a displayed number: `+1 555 010 0001` gives `1`.
pub(crate) fn country_code(display_phone_number: &str) -> Option<&str> {
    let code = display_phone_number.strip_prefix('+')?.split_once(' ')?.0;
    code.bytes().all(|byte| byte.is_ascii_digit()).then_some(code)
}

/// Brazil outside of the area codes 11 to 28 has ids without the mobile 9; Mexico's ids have a 1 after the country code.
fn rewrite(digits: String) -> String {
    let brazilian = digits.len() == 13
        && digits.starts_with("55")
        && digits[2..4].parse().is_ok_and(|area: u8| area > 28)
        && digits.as_bytes()[4] == b'9';
    if brazilian {
        return format!("{}{}", &digits[..4], &digits[5..]);
    }
    match digits.strip_prefix("52") {
        Some(national) if national.len() == 10 => format!("521{national}"),
        _ => digits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn phones_are_normalised_as_meta_does() {
        assert_eq!(wa_id("+1 (650) 555-1234").as_deref(), Some("16505551234"));
        assert_eq!(wa_id("+5531987654321").as_deref(), Some("553187654321"));
        assert_eq!(wa_id("5511987654321").as_deref(), Some("5511987654321"));
        assert_eq!(wa_id("+525512345678").as_deref(), Some("5215512345678"));
        assert_eq!(wa_id("+5215512345678").as_deref(), Some("5215512345678"));
        assert_eq!(wa_id("12345"), None);
        assert_eq!(wa_id("US.123456789"), None);
        assert_eq!(country_code("+44 20 7946 0000"), Some("44"));
        assert_eq!(country_code("15550100001"), None);
    }

    #[test]
    fn to_wins_over_recipient() {
        let both = json!({"to": "16505551234", "recipient": "US.1"});
        assert_eq!(address(&both), Ok(Address::Phone("16505551234")));
        let bsuid = json!({"recipient": "US.ENT.13491208655302741918"});
        assert_eq!(address(&bsuid), Ok(Address::UserId("US.ENT.13491208655302741918")));
        let code = |request: Value| address(&request).err().map(|error| error.code);
        assert_eq!(code(json!({})), Some(100));
        assert_eq!(code(json!({"to": 16505551234_u64})), Some(100));
        assert_eq!(code(json!({"recipient": "user.abc"})), Some(131_009));
    }

    #[test]
    fn user_ids_have_a_country_and_no_other_signs() {
        for good in ["US.13491208655302741918", "EG.a1B2", "US.ENT.77"] {
            assert!(is_user_id(good), "{good}");
        }
        for bad in ["us.1", "USA.1", "US.", "US.1-2", "16505551234", "US.ENT."] {
            assert!(!is_user_id(bad), "{bad}");
        }
        assert!(!is_user_id(&format!("US.{}", "1".repeat(129))));
    }
}
