use std::fs::File;
use std::io::{Seek, Write};
use std::thread;

use proptest::prelude::*;

use super::*;

fn pair() -> (FrameSocket, FrameSocket) {
    let (left, right) = UnixStream::pair().unwrap();
    (FrameSocket::new(left).unwrap(), FrameSocket::new(right).unwrap())
}

/// A socket whose other end sends exactly these bytes and closes.
fn hostile(bytes: Vec<u8>) -> (FrameSocket, thread::JoinHandle<()>) {
    let (left, mut right) = UnixStream::pair().unwrap();
    // The reader may give up early, which makes the write fail.
    let writer = thread::spawn(move || drop(right.write_all(&bytes)));
    (FrameSocket::new(left).unwrap(), writer)
}

#[test]
fn messages_and_data_arrive_in_order() {
    let (mut left, mut right) = pair();
    let data: Vec<u8> = (0..3_000_000_u32).map(|index| (index % 251) as u8).collect();
    let sent = data.clone();
    let sender = thread::spawn(move || {
        for length in [0, 1, COPY_BYTES_MAX, COPY_BYTES_MAX + 1, 70_000, sent.len()] {
            left.send(&("small", length), &[]).unwrap();
            left.send_data(&("data", length), &sent[..length]).unwrap();
        }
        left.flush().unwrap();
    });
    while let Some((name, length)) = right.receive::<(String, usize)>().unwrap() {
        if name == "data" {
            let mut received = Vec::new();
            right.raw(length as u64).read_to_end(&mut received).unwrap();
            assert_eq!(received, data[..length]);
        }
    }
    sender.join().unwrap();
}

#[test]
fn data_that_nobody_reads_is_passed_over() {
    let (mut left, mut right) = pair();
    let sender = thread::spawn(move || {
        left.send_data(&1_u32, &vec![7; 1_000_000]).unwrap();
        left.send_data(&2_u32, b"abc").unwrap();
        left.send(&3_u32, &[]).unwrap();
        left.flush().unwrap();
    });
    assert_eq!(right.receive::<u32>().unwrap(), Some(1));
    let mut some = [0; 100_000];
    right.raw(1_000_000).read_exact(&mut some).unwrap();
    assert_eq!(right.receive::<u32>().unwrap(), Some(2));
    let _ = right.raw(3);
    assert_eq!(right.receive::<u32>().unwrap(), Some(3));
    sender.join().unwrap();
}

#[test]
fn descriptors_arrive_in_the_order_in_which_they_were_sent() {
    let (mut left, mut right) = pair();
    let file = |text: &str| {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.rewind().unwrap();
        file
    };
    let files: Vec<File> = (0..6).map(|index| file(&index.to_string())).collect();
    left.send(&0_u32, &[]).unwrap();
    left.send(&1_u32, &[files[0].as_fd(), files[1].as_fd()]).unwrap();
    left.send_data(&0_u32, b"raw").unwrap();
    left.send(&4_u32, &files[2..].iter().map(File::as_fd).collect::<Vec<_>>()).unwrap();
    drop(left);
    let mut seen = String::new();
    while let Some(count) = right.receive::<u32>().unwrap() {
        let descriptors = [0, 2, 0, 0, 4][count as usize];
        if count == 0 && seen.len() == 2 {
            right.raw(3);
        }
        for _ in 0..descriptors {
            File::from(right.take_descriptor().unwrap()).read_to_string(&mut seen).unwrap();
        }
    }
    assert_eq!(seen, "012345");
    assert!(matches!(right.take_descriptor(), Err(ProtocolError::MissingDescriptor)));
}

#[test]
fn unwanted_descriptors_are_counted() {
    let (mut left, mut right) = pair();
    let file = tempfile::tempfile().unwrap();
    let many = vec![file.as_fd(); DESCRIPTORS_MAX];
    assert!(matches!(
        left.send(&0_u32, &vec![file.as_fd(); DESCRIPTORS_MAX + 1]),
        Err(ProtocolError::TooManyDescriptors)
    ));
    for _ in 0..3 {
        left.send(&0_u32, &many).unwrap();
    }
    let error = (0..3).find_map(|_| right.receive::<u32>().err());
    assert!(matches!(error, Some(ProtocolError::TooManyDescriptors)), "{error:?}");
}

#[test]
fn a_long_message_is_refused_on_both_sides() {
    let (mut left, mut right) = pair();
    let long = vec![0_u64; MESSAGE_BYTES_MAX];
    assert!(matches!(left.send(&long, &[]), Err(ProtocolError::TooLong(_))));
    assert!(matches!(
        left.send_data(&0_u32, &vec![0; DATA_BYTES_MAX as usize + 1]),
        Err(ProtocolError::TooLong(_))
    ));
    left.send(&5_u32, &[]).unwrap();
    left.flush().unwrap();
    assert_eq!(right.receive::<u32>().unwrap(), Some(5), "a refused message leaves no trace");

    for length in [MESSAGE_BYTES_MAX as u32 + 1, u32::MAX] {
        let (mut socket, writer) = hostile(length.to_le_bytes().to_vec());
        assert!(matches!(socket.receive::<u32>(), Err(ProtocolError::TooLong(_))));
        drop(socket);
        writer.join().unwrap();
    }
}

#[test]
fn an_end_inside_a_message_is_an_error() {
    for bytes in [vec![1], vec![5, 0, 0, 0], vec![5, 0, 0, 0, 1, 2]] {
        let (mut socket, writer) = hostile(bytes);
        assert!(matches!(socket.receive::<u64>(), Err(ProtocolError::Truncated)));
        writer.join().unwrap();
    }
    let (mut socket, writer) = hostile(vec![1, 0, 0, 0, 9, 1, 2, 3]);
    assert_eq!(socket.receive::<u8>().unwrap(), Some(9));
    let error = socket.raw(4).read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    writer.join().unwrap();
}

#[test]
fn bytes_behind_a_message_are_an_error() {
    let (mut socket, writer) = hostile(vec![2, 0, 0, 0, 9, 9]);
    assert!(matches!(socket.receive::<u8>(), Err(ProtocolError::Malformed(_))));
    writer.join().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever comes, the reader ends with an error or the end of the stream, and allocates no more than was sent.
    #[test]
    fn random_streams_are_survived(mut bytes in proptest::collection::vec(any::<u8>(), 0..2_000), short in any::<bool>()) {
        if short && bytes.len() > 4 {
            bytes[1..4].fill(0);
        }
        let (mut socket, writer) = hostile(bytes);
        for _ in 0..1_000 {
            match socket.receive::<crate::protocol::FromWorker>() {
                Ok(Some(crate::protocol::FromWorker::Data { length, .. })) => {
                    let read = io::copy(&mut socket.raw(length.into()), &mut io::sink());
                    if read.is_err() { break; }
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
        drop(socket);
        writer.join().unwrap();
    }

    #[test]
    fn random_messages_come_back_equal(
        messages in proptest::collection::vec(
            (any::<String>(), any::<Option<u64>>(), proptest::collection::vec(any::<u8>(), 0..20_000)),
            0..40,
        )
    ) {
        let (mut left, mut right) = pair();
        let sent = messages.clone();
        let sender = thread::spawn(move || {
            for (text, number, data) in &sent {
                left.send_data(&(text, number, data.len()), data).unwrap();
            }
            left.flush().unwrap();
        });
        for (text, number, data) in messages {
            let received = right.receive::<(String, Option<u64>, u64)>().unwrap();
            prop_assert_eq!(received, Some((text, number, data.len() as u64)));
            let mut raw = Vec::new();
            right.raw(data.len() as u64).read_to_end(&mut raw).unwrap();
            prop_assert_eq!(raw, data);
        }
        prop_assert!(right.receive::<u8>().unwrap().is_none());
        sender.join().unwrap();
    }
}
