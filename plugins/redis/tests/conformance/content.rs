//! What the suite fills servers with.

use anyhow::Result;
use lockgate_conformance::Content;

use crate::client::Connection;

/// Accounts between which money moves, half of them in database 0 and half in database 3.
pub const ACCOUNTS: usize = 10;
/// What each begins with.
pub const BALANCE: i64 = 1000;
/// Bytes of a value of [`Content::Bulk`].
const BULK_VALUE_BYTES: u64 = 32 << 10;
/// Databases that [`Content::Bulk`] is spread over.
const BULK_DATABASES: u64 = 4;

/// Puts `content` into an empty server.
pub fn fill(redis: &mut Connection, content: Content) -> Result<()> {
    match content {
        Content::Usual => usual(redis)?,
        Content::Huge { bytes } => {
            // One command takes no more.
            let bytes = bytes.min(500 << 20);
            redis.send(&[b"SET", b"huge", &random(bytes, 1)])?;
        }
        Content::Many { count } => {
            let script = b"for i = 1, ARGV[1] do redis.call('SET', 'key:' .. i, 'value ' .. i) end";
            redis.send(&[b"EVAL", script, b"0", count.to_string().as_bytes()])?;
        }
        Content::Bulk { bytes } => {
            for number in 0..bytes.div_ceil(BULK_VALUE_BYTES).max(BULK_DATABASES) {
                if number % 64 == 0 {
                    let database = number / 64 % BULK_DATABASES;
                    redis.send(&[b"SELECT", database.to_string().as_bytes()])?;
                }
                let value = random(BULK_VALUE_BYTES, number + 1);
                redis.send(&[b"SET", format!("bulk:{number}").as_bytes(), &value])?;
            }
        }
        Content::Odd => odd(redis)?,
    }
    redis.settle()
}

/// Runs commands whose words have no spaces.
fn run(redis: &mut Connection, commands: &str) -> Result<()> {
    for line in commands.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        redis.send(&words)?;
    }
    Ok(())
}

fn usual(redis: &mut Connection) -> Result<()> {
    run(
        redis,
        "SET text hello
         SET number 12345
         SET soon-gone x PXAT 4102444800123
         RPUSH list a b 3 -70000 9223372036854775807
         SADD numbers 1 2 300000
         SADD words one two 3
         HSET hash field value other 7
         ZADD scores 1.5 a -inf b inf c 3 d
         XADD stream 5-1 name a size 1
         XADD stream 5-2 name b size 2
         XADD stream 6-1 colour red
         XADD stream 7-1 name c size 3
         XDEL stream 5-2
         XGROUP CREATE stream readers 0
         XGROUP CREATE stream idle $
         XREADGROUP GROUP readers ann COUNT 2 STREAMS stream >
         XREADGROUP GROUP readers bob COUNT 1 STREAMS stream >
         XACK stream readers 5-1
         PFADD counter a b c
         SETBIT bits 100000 1
         GEOADD places 13.4 52.5 berlin
         SELECT 3
         SET in-three x
         SELECT 9
         RPUSH in-nine a b
         EXPIREAT in-nine 4102444800
         ACL SETUSER alice on >secret ~shop:* &news +@read -@dangerous
         ACL SETUSER bob off #e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 %R~a* (~b* +get) resetchannels +@all -flushall",
    )?;
    let library = b"#!lua name=shop\nredis.register_function('twice', function(keys, args) return 2 * args[1] end)";
    redis.send(&[b"FUNCTION", b"LOAD", library])?;
    // Large enough for tables instead of packed forms, and for more than one node.
    let script = b"redis.call('SELECT', 0)
        for i = 1, 2000 do
          redis.call('SADD', 'large-set', 'member ' .. i)
          redis.call('HSET', 'large-hash', 'field ' .. i, string.rep('v', i % 90))
          redis.call('ZADD', 'large-zset', i / 7, 'member ' .. i)
          redis.call('RPUSH', 'large-list', 'element ' .. i)
          redis.call('XADD', 'large-stream', i .. '-0', 'i', i, 'text', 'some text ' .. i)
          redis.call('SADD', 'large-numbers', i * 1000003)
        end
        redis.call('RPUSH', 'long-list', string.rep('x', 9000), 'y', string.rep('z', 70000))
        redis.call('XDEL', 'large-stream', '17-0', '2000-0')
        redis.call('SET', 'compressible', string.rep('abcdefgh', 100000))";
    redis.send(&[b"EVAL", script, b"0"])?;
    for account in 0..ACCOUNTS {
        run(redis, &format!("SELECT {}\nSET account:{account} {BALANCE}", database(account)))?;
    }
    Ok(())
}

/// The database of an account.
pub fn database(account: usize) -> u8 {
    if account.is_multiple_of(2) { 0 } else { 3 }
}

fn odd(redis: &mut Connection) -> Result<()> {
    let names: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"\0".to_vec(),
        b"a\0b\r\nc".to_vec(),
        "käse € 𝄞 \u{202e}txt".into(),
        b"..".to_vec(),
        b"../../etc/passwd".to_vec(),
        b"/a//b/".to_vec(),
        b"\"'`\\ $(x) %s {} {} *?[a]".to_vec(),
        b"\xff\xfe\x80".to_vec(),
        b"\x1b[31m".to_vec(),
        b"123".to_vec(),
        b"-1".to_vec(),
        vec![b'k'; 64 << 10],
        random(64 << 10, 7),
    ];
    for (index, name) in names.iter().enumerate() {
        let other = &names[(index + 5) % names.len()];
        let key = |kind: &str| [kind.as_bytes(), name].concat();
        redis.send(&[b"SET", name, other])?;
        redis.send(&[b"RPUSH", &key("list"), name, other, b"", b"0"])?;
        redis.send(&[b"SADD", &key("set"), name, other, b"00"])?;
        redis.send(&[b"HSET", &key("hash"), name, other, other, name])?;
        redis.send(&[b"ZADD", &key("zset"), b"-0.1", name, b"1e300", b"top", b"-0", b"zero"])?;
        redis.send(&[
            b"XADD",
            &key("stream"),
            b"18446744073709551615-18446744073709551614",
            name,
            other,
        ])?;
        redis.send(&[b"XGROUP", b"CREATE", &key("stream"), name, b"0"])?;
        redis.send(&[b"XREADGROUP", b"GROUP", name, other, b"STREAMS", &key("stream"), b">"])?;
    }
    // Integers at every border of the encodings, as elements and as values.
    for shift in 0..63 {
        for number in [(1i64 << shift) - 1, -(1i64 << shift), (1i64 << shift)] {
            let text = number.to_string();
            redis.send(&[b"RPUSH", b"borders", text.as_bytes()])?;
            redis.send(&[b"SET", format!("border:{text}").as_bytes(), text.as_bytes()])?;
        }
    }
    // Texts at every border of the lengths.
    for length in [0, 1, 63, 64, 65, 4095, 4096, 16_383, 16_384, 16_385] {
        redis.send(&[b"RPUSH", b"lengths", &vec![b'l'; length]])?;
        redis.send(&[
            b"HSET",
            b"length-hash",
            length.to_string().as_bytes(),
            &random(length as u64, 9),
        ])?;
    }
    redis.send(&[b"XGROUP", b"CREATE", b"empty-stream", b"group", b"$", b"MKSTREAM"])?;
    redis.send(&[b"SELECT", b"15"])?;
    redis.send(&[b"SET", b"", b""])
}

/// Bytes that nothing compresses: xorshift64*.
pub fn random(bytes: u64, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut all = Vec::with_capacity(bytes as usize + 8);
    while (all.len() as u64) < bytes {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        all.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    all.truncate(bytes as usize);
    all
}
