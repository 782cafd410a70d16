//! Attach, detach, replace and map updates under traffic for as long as one wants: the test of the command does it, this asks for
//! the time and the way.

/// Seconds, if nobody says how many.
const SECONDS: u32 = 120;

/// The way of skep's that is meant if none is named, and what each needs.
const WAYS: [(&str, &str); 4] = [
    ("packet", "netns,clang"),
    ("tun", "netns,clang,tun"),
    ("afxdp", "netns,clang,afxdp"),
    ("tap", "netns,clang,tun"),
];

/// How long, and on which way.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    seconds: u32,
    way: &'static str,
    needs: &'static str,
}

impl Request {
    /// Reads `[SECONDS] [--via WAY]`.
    ///
    /// # Errors
    /// A line that says what is wrong.
    pub fn read(words: &[&str]) -> Result<Self, String> {
        let (seconds, via) = match *words {
            [] => (None, None),
            ["--via", via] => (None, Some(via)),
            [seconds] => (Some(seconds), None),
            [seconds, "--via", via] => (Some(seconds), Some(via)),
            _ => return Err("soak: expected [SECONDS] [--via WAY]".to_owned()),
        };
        let seconds = match seconds.map(str::parse) {
            None => SECONDS,
            Some(Ok(seconds)) if seconds > 0 => seconds,
            Some(Ok(_) | Err(_)) => return Err("soak: SECONDS is a number".to_owned()),
        };
        let via = via.unwrap_or(WAYS[0].0);
        let way = WAYS.into_iter().find(|(way, _)| *way == via);
        let (way, needs) = way.ok_or_else(|| {
            let ways = WAYS.map(|(way, _)| way);
            format!("soak: no way `{via}`, but {}", ways.join(", "))
        })?;
        Ok(Self {
            seconds,
            way,
            needs,
        })
    }

    /// Runs it, which prints where the packets went.
    ///
    /// # Errors
    /// If a packet is not accounted for, or what the way needs is not here.
    pub fn run(&self) -> Result<(), String> {
        let name = format!("skep_{}::soak::accounts", self.way);
        let words = "test --release --quiet --package skep-cli --test net -- --exact";
        let args: Vec<&str> = words.split(' ').chain([name.as_str()]).collect();
        let seconds = self.seconds.to_string();
        let variables = [
            ("SKEP_NET_SOAK_SECONDS", seconds.as_str()),
            // Without them the test would be left out, and that would look like success.
            ("SKEP_REQUIRE", self.needs),
        ];
        crate::cargo(&args, &variables)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::Request;

    #[test]
    fn command_lines() {
        let read = |line: &str| Request::read(&line.split_whitespace().collect::<Vec<_>>());
        let meant = |line| read(line).map(|request| (request.seconds, request.way));
        assert_eq!(meant(""), Ok((120, "packet")));
        assert_eq!(meant("7"), Ok((7, "packet")));
        assert_eq!(meant("--via tap"), Ok((120, "tap")));
        assert_eq!(meant("7 --via afxdp"), Ok((7, "afxdp")));
        for line in ["0", "x", "--via", "7 --via air", "7 tun", "7 --via tun 7"] {
            let error = read(line).expect_err(line);
            assert!(error.starts_with("soak: "), "{line}: {error}");
        }
    }
}
