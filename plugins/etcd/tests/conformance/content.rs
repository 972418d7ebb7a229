use anyhow::Result;
use lockgate_conformance::Content;

use crate::gateway::Gateway;

/// Keys that the program of the tests writes together; they are in three parts.
pub const TOGETHER: [&[u8]; 3] = [b"/app/sequence", b"/other/sequence", b"sequence"];
/// Largest value: servers of the tests take requests of 24 MiB.
const HUGE_BYTES_MAX: u64 = 16 << 20;
/// Bytes of a value of a bulk.
const BULK_VALUE_BYTES: u64 = 16 << 10;
/// Prefixes that a bulk is spread over.
const BULK_PREFIXES: u64 = 4;
/// Values in one transaction.
const BATCH: u64 = 60;

/// Puts a content into an empty server.
pub fn fill(gateway: &mut Gateway, content: Content) -> Result<()> {
    match content {
        Content::Usual => usual(gateway),
        Content::Huge { bytes } => {
            let value = Noise::new(1).bytes(bytes.min(HUGE_BYTES_MAX) as usize);
            gateway.put(b"huge/value", &value, 0)
        }
        Content::Many { count } => {
            let key = |number: u64| format!("many/{}/{number}", number % 3).into_bytes();
            many(gateway, count, key, |number| number.to_string().into_bytes())
        }
        Content::Bulk { bytes } => {
            let mut noise = Noise::new(bytes);
            let key =
                |number: u64| format!("/bulk{}/{number:08}", number % BULK_PREFIXES).into_bytes();
            many(gateway, (bytes / BULK_VALUE_BYTES).max(1), key, |_| {
                noise.bytes(BULK_VALUE_BYTES as usize)
            })
        }
        Content::Odd => odd(gateway),
    }
}

fn many(
    gateway: &mut Gateway,
    count: u64,
    key: impl Fn(u64) -> Vec<u8>,
    mut value: impl FnMut(u64) -> Vec<u8>,
) -> Result<()> {
    for start in (0..count).step_by(BATCH as usize) {
        let numbers = start..count.min(start + BATCH);
        let pairs: Vec<(Vec<u8>, Vec<u8>)> =
            numbers.map(|number| (key(number), value(number))).collect();
        gateway.put_all(pairs.iter().map(|(key, value)| (key.as_slice(), value.as_slice())))?;
    }
    Ok(())
}

/// A little of everything that a server may hold.
fn usual(gateway: &mut Gateway) -> Result<()> {
    gateway.put_all(TOGETHER.map(|key| (key, &b"0"[..])))?;
    for number in 0..300 {
        let key = format!("/app/config/{number:03}");
        gateway.put(key.as_bytes(), format!("value {number}").as_bytes(), 0)?;
    }
    for number in 0..40 {
        gateway.put(format!("loose{number}").as_bytes(), b"", 0)?;
    }
    // What is removed and written again must not come back as it was.
    gateway.put(b"/app/changed", b"before", 0)?;
    gateway.put(b"/app/changed", b"after", 0)?;
    for (lease, seconds) in [(7, 3600), (0x5eed_0000_0001, 7200), (i64::MAX, 9000)] {
        gateway.grant(lease, seconds)?;
    }
    gateway.put(b"/locks/one", b"held", 7)?;
    gateway.put(b"/locks/two", b"held", 7)?;
    gateway.put(b"service", b"up", i64::MAX)?;
    gateway.role("reader", "READ", b"/app/", b"/app0")?;
    gateway.role("writer", "READWRITE", b"/other/sequence", b"")?;
    gateway.user("ann", &["reader", "writer"])?;
    gateway.user("bob", &[])
}

/// Keys are bytes of any kind but none at all; so are values.
fn odd(gateway: &mut Gateway) -> Result<()> {
    let long = "l".repeat(64 << 10);
    let long_folder = format!("{}/x", "f".repeat(64 << 10));
    let names: Vec<&[u8]> = vec![
        b"\0",
        b"\0\0",
        b"\0/",
        b"\0/\xff/\0",
        b"\xff",
        b"\xff/",
        b"\xff\xff\xff",
        b"/",
        b"//",
        b"///a",
        b"//a/b",
        b"/a",
        b"/a/",
        b"/a/b",
        b"/a//b",
        b"/a0",
        b"..",
        b"../up",
        b"a/../b",
        b"./",
        b".",
        b"%2F",
        b"%2Fa%2F",
        b"~rest",
        b"~",
        b"keys/~rest",
        b"quote'\"",
        b"back\\slash",
        b"new\nline",
        b"tab\t",
        b"\x1b[31m/red",
        b"\x7f",
        b" ",
        b"  /",
        b"\xed\xa0\x80/half",
        "\u{fc}n\u{ef}/\u{65e5}\u{672c}".as_bytes(),
        "\u{202e}right/left".as_bytes(),
        b"=",
        b"a=b",
        b"a,b/",
        b"{}/[]",
        long.as_bytes(),
        long_folder.as_bytes(),
    ];
    let noise = Noise::new(3).bytes(1_400_000);
    let values: [&[u8]; 7] = [b"", b"\0", b"\0\0\xff\xfe", b"\n", b"\"}]}", &[0; 100_000], &noise];
    for (number, name) in names.iter().enumerate() {
        gateway.put(name, values[number % values.len()], 0)?;
    }
    gateway.grant(1, 5000)?;
    gateway.put(b"\0\xff/leased", b"\0", 1)?;
    gateway.role("r/\u{f6}le \"\\", "WRITE", b"\0", b"\0")?;
    gateway.role("..", "READ", b"\xff\0", b"\xff\xff")?;
    gateway.user("us er\u{1f600}", &["r/\u{f6}le \"\\", ".."])?;
    gateway.user("%2e", &[])
}

/// Bytes that nothing compresses.
pub struct Noise(u64);

impl Noise {
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// George Marsaglia, Xorshift RNGs, Journal of Statistical Software 8 (14), 2003.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = std::iter::repeat_with(|| self.next().to_le_bytes())
            .take(count.div_ceil(8))
            .flatten()
            .collect();
        bytes.truncate(count);
        bytes
    }
}
