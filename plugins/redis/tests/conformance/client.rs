//! A client of a few lines for what `redis-cli` is too slow for. It knows nothing of the plugin's code.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use anyhow::{Context, Result, bail};

/// A connection as the user `default`.
pub struct Connection {
    stream: BufReader<TcpStream>,
    waiting: usize,
}

/// Answers that may be outstanding.
const WAITING_MAX: usize = 1000;

impl Connection {
    pub fn open(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).context("connect to Redis")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), waiting: 0 })
    }

    /// Sends a command whose answer only must not be a refusal.
    pub fn send(&mut self, words: &[&[u8]]) -> Result<()> {
        let mut command = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            command.extend(format!("${}\r\n", word.len()).into_bytes());
            command.extend_from_slice(word);
            command.extend_from_slice(b"\r\n");
        }
        self.stream.get_mut().write_all(&command)?;
        self.waiting += 1;
        if self.waiting >= WAITING_MAX { self.settle() } else { Ok(()) }
    }

    /// Waits for all answers.
    pub fn settle(&mut self) -> Result<()> {
        while self.waiting > 0 {
            self.receive()?;
            self.waiting -= 1;
        }
        Ok(())
    }

    /// Sends a command and gives all texts of its answer.
    pub fn ask(&mut self, words: &[&[u8]]) -> Result<Vec<Vec<u8>>> {
        self.settle()?;
        self.send(words)?;
        self.waiting = 0;
        self.receive()
    }

    fn receive(&mut self) -> Result<Vec<Vec<u8>>> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            bail!("Redis closed the connection");
        }
        let line = line.trim_end();
        let (kind, rest) = line.split_at_checked(1).context("an empty answer")?;
        match kind {
            "-" => bail!("Redis: {rest}"),
            "$" if rest != "-1" => {
                let mut text = vec![0; rest.parse::<usize>()? + 2];
                self.stream.read_exact(&mut text)?;
                text.truncate(text.len() - 2);
                Ok(vec![text])
            }
            "*" if rest != "-1" => {
                let mut all = Vec::new();
                for _ in 0..rest.parse::<usize>()? {
                    all.extend(self.receive()?);
                }
                Ok(all)
            }
            _ => Ok(vec![rest.as_bytes().to_vec()]),
        }
    }
}
