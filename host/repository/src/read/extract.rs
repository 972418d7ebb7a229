//! Whole files: many at once, each region of a pack fetched once.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use lockgate_types::Digest;

use super::blobs::{Opener, verify};
use super::region::{Region, plan};
use super::sparse::write_sparse;
use super::{Reader, closed};
use crate::error::{Error, Result};
use crate::format::{BlobKind, Node};
use crate::index::Location;
use crate::layout::{off_reactor, pack_name};
use crate::limits;

/// A file that is written.
struct Target {
    node: Node,
    file: File,
    offset: u64,
    /// What is not written reads as zeros: only of ordinary files.
    has_holes: bool,
}

/// Where a blob belongs.
struct Piece {
    location: Location,
    id: Digest,
    target: u32,
    position: u64,
}

/// What one round of work shares.
struct Round {
    targets: Arc<Vec<Target>>,
    /// By pack and offset.
    pieces: Vec<Piece>,
}

pub(super) async fn extract(reader: &Reader, files: Vec<(Node, File, u64)>) -> Result<u64> {
    let planner = reader.clone();
    let (targets, total) = off_reactor(move || prepare(&planner, files)).await?;
    let targets = Arc::new(targets);
    let mut pieces = Vec::new();
    for (number, target) in (0u32..).zip(targets.iter()) {
        let mut position = target.offset;
        for id in target.node.blobs() {
            let location = reader.locate(BlobKind::Data, id)?;
            pieces.push(Piece { location, id: *id, target: number, position });
            position += u64::from(location.plain_length());
            if pieces.len() == limits::PIECES_AT_A_TIME {
                let pieces = std::mem::take(&mut pieces);
                extract_pieces(reader, Arc::clone(&targets), pieces).await?;
            }
        }
    }
    extract_pieces(reader, targets, pieces).await?;
    Ok(total)
}

/// Gives all files their final lengths, so that whatever is not written is a hole.
fn prepare(reader: &Reader, files: Vec<(Node, File, u64)>) -> Result<(Vec<Target>, u64)> {
    let mut targets = Vec::with_capacity(files.len());
    let mut total = 0;
    for (node, file, offset) in files {
        let named = |error: Error| error.at(format_args!("content of {:?}", name_of(&node)));
        let mut length = 0u64;
        for id in node.blobs() {
            let location = reader.locate(BlobKind::Data, id).map_err(named)?;
            length += u64::from(location.plain_length());
        }
        if length != node.size {
            let why = format!("its blobs have {length} bytes, its node says {}", node.size);
            return Err(Error::corrupt(format!("content of {:?}", name_of(&node)), why));
        }
        let is_small = length <= limits::WHOLE_FILE_BYTES_MAX && node.blobs().len() == 1;
        let has_holes = size(&file, offset, length, is_small)
            .map_err(|source| Error::io(format_args!("target for {:?}", name_of(&node)), source))?;
        total += length;
        targets.push(Target { node, file, offset, has_holes });
    }
    Ok((targets, total))
}

/// Whether it can have holes. Writing a small file gives it its length, which saves setting it first.
fn size(file: &File, offset: u64, length: u64, is_small: bool) -> std::io::Result<bool> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(false);
    }
    if metadata.len() > offset {
        // What was there must not shine through a hole.
        file.set_len(offset)?;
    }
    if is_small {
        return Ok(false);
    }
    if offset + length > 0 {
        file.set_len(offset + length)?;
    }
    Ok(true)
}

fn name_of(node: &Node) -> String {
    node.name.escape_ascii().to_string()
}

async fn extract_pieces(
    reader: &Reader,
    targets: Arc<Vec<Target>>,
    mut pieces: Vec<Piece>,
) -> Result<()> {
    pieces.sort_unstable_by_key(|piece| (piece.location.pack, piece.location.offset, piece.id));
    let regions = plan(pieces.iter().map(|piece| &piece.location));
    let round = Arc::new(Round { targets, pieces });
    futures::stream::iter(regions)
        .map(|region| extract_region(reader, &round, region))
        .buffer_unordered(limits::REGIONS_AT_A_TIME)
        .try_collect()
        .await
}

async fn extract_region(reader: &Reader, round: &Arc<Round>, region: Region) -> Result<()> {
    let permit = reader.inner.memory.acquire_many(region.memory_kib()).await;
    let _permit = permit.map_err(closed)?;
    match extract_own(reader, round, &region).await {
        Err(error) if reader.can_rescue(&error) => rescue(reader, round, &region, error).await,
        extracted => extracted,
    }
}

async fn extract_own(reader: &Reader, round: &Arc<Round>, region: &Region) -> Result<()> {
    let name = pack_name(&reader.inner.index.pack_id(region.pack));
    let sealed = reader.fetch(region).await?;
    // More would wait for a CPU, or for one another when they write to the same file, and hold memory.
    let turn = reader.inner.openings.acquire().await;
    let _turn = turn.map_err(closed)?;
    let (reader, round, region) = (reader.clone(), Arc::clone(round), region.clone());
    off_reactor(move || write_region(&reader, &round, &region, &sealed))
        .await
        .map_err(|error| error.at(name))
}

/// Writes the blobs of a region as another repository has them.
async fn rescue(reader: &Reader, round: &Arc<Round>, region: &Region, error: Error) -> Result<()> {
    let pieces = round.pieces.get(region.wanted.clone()).unwrap_or_default();
    for group in pieces.chunk_by(|left, right| left.id == right.id) {
        let Some(first) = group.first() else { continue };
        let plain = reader.rescue(BlobKind::Data, first.id, error.clone()).await?;
        let (round, wanted) = (Arc::clone(round), region.wanted.clone());
        let id = first.id;
        off_reactor(move || {
            let pieces = round.pieces.get(wanted).unwrap_or_default();
            let mut its = pieces.iter().filter(|piece| piece.id == id);
            its.try_for_each(|piece| write_piece(&round, piece, &plain))
        })
        .await?;
    }
    Ok(())
}

fn write_region(reader: &Reader, round: &Round, region: &Region, sealed: &Bytes) -> Result<()> {
    let pieces = round.pieces.get(region.wanted.clone()).unwrap_or_default();
    let is_same = |left: &Piece, right: &Piece| left.location == right.location;
    let blobs: Vec<&[Piece]> = pieces.chunk_by(is_same).collect();
    let mut fetched = Fetched { reader, round, region, sealed, opener: Opener::new(reader) };
    let mut rest = blobs.as_slice();
    while !rest.is_empty() {
        let (some, others) = rest.split_at(opened_together(rest));
        fetched.write(some)?;
        rest = others;
    }
    Ok(())
}

/// How many of `blobs` are opened before the first of them is written.
fn opened_together(blobs: &[&[Piece]]) -> usize {
    let mut bytes = 0;
    let is_within = |pieces: &&&[Piece]| {
        let fits = bytes < limits::OPENED_BYTES_AT_A_TIME;
        bytes += pieces.first().map_or(0, |piece| u64::from(piece.location.plain_length()));
        fits
    };
    blobs.iter().take_while(is_within).count()
}

/// The sealed bytes of a region, and what they are opened with.
struct Fetched<'a> {
    reader: &'a Reader,
    round: &'a Round,
    region: &'a Region,
    sealed: &'a Bytes,
    opener: Opener<'a>,
}

impl Fetched<'_> {
    /// Opens `blobs`, compares them with their names, and writes each to all of its places.
    fn write(&mut self, blobs: &[&[Piece]]) -> Result<()> {
        let mut opened = Vec::with_capacity(blobs.len());
        for pieces in blobs {
            let Some(first) = pieces.first() else { continue };
            opened.push((*pieces, first.id, self.open(first)?));
        }
        let named: Vec<(Digest, &[u8])> =
            opened.iter().map(|(_, id, plain)| (*id, &**plain)).collect();
        verify(self.reader.inner.engine, &named)?;
        for (pieces, _, plain) in opened {
            for piece in pieces {
                write_piece(self.round, piece, &plain)?;
            }
            self.reader.inner.buffers.give(plain);
        }
        Ok(())
    }

    fn open(&mut self, piece: &Piece) -> Result<Vec<u8>> {
        let bytes = self
            .sealed
            .get(self.region.place(&piece.location))
            .ok_or_else(|| Error::corrupt("index", "a blob lies outside of its pack"))?;
        let plain =
            self.opener.open_into(bytes, &piece.location, self.reader.inner.buffers.take())?;
        if plain.len() != piece.location.plain_length() as usize {
            let what = format!("blob {}", piece.id.short());
            return Err(Error::corrupt(what, "its length is not that of the index"));
        }
        Ok(plain)
    }
}

fn write_piece(round: &Round, piece: &Piece, plain: &[u8]) -> Result<()> {
    let Some(target) = round.targets.get(piece.target as usize) else { return Ok(()) };
    let written = if target.has_holes {
        write_sparse(&target.file, plain, piece.position)
    } else {
        target.file.write_all_at(plain, piece.position)
    };
    written.map_err(|source| Error::io(format!("target for {:?}", name_of(&target.node)), source))
}
