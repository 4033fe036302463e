//! Hexadecimal digits, read the one way that all names and digests are read.

/// So many bytes, of twice as many hexadecimal digits in either case and nothing else: no sign, no space, no prefix.
pub(crate) fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

fn digit(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_either_case_and_nothing_else() {
        assert_eq!(bytes("00ff"), Some([0, 255]));
        assert_eq!(bytes("aBCd"), Some([0xab, 0xcd]));
        assert_eq!(bytes(""), Some([]));
        for wrong in ["+f00", "00+f", "-100", " f00", "0x00", "0g00", "00f", "00ff0", "00ff00", "0ö0", "é00", ""] {
            assert_eq!(bytes::<2>(wrong), None, "{wrong}");
        }
    }
}
