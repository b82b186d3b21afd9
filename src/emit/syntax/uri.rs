//! Parts of a URI (RFC 3986, 2.1): everything but unreserved characters is percent-encoded, in UTF-8.

/// The text as a path segment or as the value of a query parameter.
pub(in crate::emit) fn part(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::HOSTILE;
    use super::*;

    #[test]
    fn texts_stay_one_part() {
        assert_eq!(part("/etc/a b?c&d=e%é"), "%2Fetc%2Fa%20b%3Fc%26d%3De%25%C3%A9");
        for text in HOSTILE {
            let written = part(text);
            let read: Vec<u8> = {
                let mut bytes = written.bytes();
                let mut out = Vec::new();
                while let Some(byte) = bytes.next() {
                    let hex: String = match byte {
                        b'%' => bytes.by_ref().take(2).map(char::from).collect(),
                        plain => format!("{plain:02x}"),
                    };
                    out.push(u8::from_str_radix(&hex, 16).expect("two hexadecimal digits"));
                }
                out
            };
            assert_eq!(read, text.as_bytes());
        }
    }
}
