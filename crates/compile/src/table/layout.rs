//! Puts a table's sections together: places become offsets from the table's first byte, and the header gets the checksum.

use super::LENGTH_MAX;
use super::blobs::{Blobs, to_u32};
use super::builder::{Answer, Group, TableBuilder};
use super::slots::Slots;
use super::{encode, near};
use understudy_core::digest::{self, Digest};
use understudy_core::headers::Headers;
use understudy_core::table::{self, Blob, Entry, Meta, Section};
use understudy_core::table::{BackendMeta, DIRECTORY_ENTRY_LEN, HEADER_LEN, MAGIC, RECORD_LEN, VERSION};
use understudy_snapshot::served::VERDICT_HEADER;

/// Sections begin at multiples of this, from the table's first byte.
const ALIGN: usize = 16;

/// The table's bytes and its digest. `None`: it would be larger than [`LENGTH_MAX`].
pub(super) fn assemble(builder: TableBuilder) -> Option<(Vec<u8>, Digest)> {
    let meta = encode(&meta(&builder));
    let TableBuilder { mut data, headers, groups, near, .. } = builder;
    let postings = near.postings();
    let groups = finish_headers(groups, headers, &mut data);
    let directory = HEADER_LEN as usize + Section::ALL.len() * DIRECTORY_ENTRY_LEN as usize;
    let meta_at = directory.next_multiple_of(ALIGN);
    let index_at = (meta_at + meta.len()).next_multiple_of(ALIGN);
    let near_at = index_at + Slots::size(groups.len());
    let (postings_length, records_length) = near::lengths(postings.len(), groups.len());
    let records_at = (near_at + postings_length).next_multiple_of(ALIGN);
    let data_at = records_at + records_length;
    let mut data = data.into_bytes();
    if data_at + data.len() > LENGTH_MAX {
        return None;
    }
    let (index, records) = write_entries(groups, data_at, &mut data)?;
    let sections = [
        (Section::Meta, meta_at, meta.len()),
        (Section::Index, index_at, near_at - index_at),
        (Section::Near, near_at, postings_length),
        (Section::Records, records_at, records_length),
        (Section::Data, data_at, data.len()),
    ];
    let mut front = vec![0; HEADER_LEN as usize];
    for (section, at, length) in sections {
        front.extend_from_slice(&section.code().to_le_bytes());
        front.extend_from_slice(&to_u32(at).to_le_bytes());
        front.extend_from_slice(&to_u32(length).to_le_bytes());
    }
    front.resize(meta_at, 0);
    front.extend_from_slice(&meta);
    front.resize(index_at, 0);
    index.write(&mut front);
    near::write(&postings, &mut front);
    front.resize(records_at, 0);
    front.extend_from_slice(&records);
    let length = (data_at + data.len()) as u64;
    let digest = write_header(&mut front, &data, length);
    // In front of the data, in its own memory: a second buffer of this size would be the most that is ever held.
    data.splice(0..0, front);
    Some((data, digest))
}

/// Fills the first 64 bytes; gives the checksum of all that follows them.
fn write_header(front: &mut [u8], data: &[u8], length: u64) -> Digest {
    let (header, rest) = front.split_at_mut(HEADER_LEN as usize);
    let mut hasher = sha1_smol::Sha1::new();
    hasher.update(rest);
    hasher.update(data);
    let digest = hasher.digest().bytes();
    let mut fields = Vec::with_capacity(HEADER_LEN as usize);
    fields.extend_from_slice(&MAGIC);
    fields.extend_from_slice(&VERSION.to_le_bytes());
    fields.extend_from_slice(&length.to_le_bytes());
    fields.extend_from_slice(&digest);
    fields.extend_from_slice(&to_u32(Section::ALL.len()).to_le_bytes());
    header[..fields.len()].copy_from_slice(&fields);
    digest
}

fn meta(builder: &TableBuilder) -> Meta {
    let mut backends: std::collections::BTreeMap<&str, BackendMeta> = std::collections::BTreeMap::new();
    for name in builder.header.backends.keys().chain(builder.counts.keys()) {
        let said = builder.header.backend(name);
        let exchanges = builder.counts.get(name).copied().unwrap_or(0);
        backends.insert(
            name,
            BackendMeta {
                name: name.clone(),
                mode: said.mode,
                on_miss: said.on_miss,
                latency: said.latency,
                exchanges,
                redacted: builder.redacted.contains(name),
            },
        );
    }
    Meta {
        snapshot: builder.header.name.clone(),
        on_miss: builder.header.on_miss,
        latency: builder.header.latency,
        backends: backends.into_values().collect(),
        exchanges: builder.counts.values().sum(),
        entries: builder.groups.len() as u64,
        rules: builder.header.rules.clone(),
        redaction: builder.header.redaction.clone(),
    }
}

/// Gives each answer its header blocks in the data, with the last header in them.
fn finish_headers(mut groups: Vec<Group>, headers: Blobs, data: &mut Blobs) -> Vec<Group> {
    for group in &mut groups {
        let count = group.answers.len();
        for (number, answer) in (1..).zip(&mut group.answers) {
            let verdict =
                if count == 1 { "match".to_owned() } else { format!("match; sequence={number}/{count}") };
            let mut finish = |place: Blob| {
                let block = Headers::from_block(headers.get(place).to_vec());
                let all = Headers::from_pairs(block.iter().chain([(VERDICT_HEADER, verdict.as_bytes())]));
                data.intern(all.as_block())
            };
            answer.headers = finish(answer.headers);
            if let Some(plain) = &mut answer.plain {
                plain.headers = finish(plain.headers);
            }
        }
    }
    groups
}

/// Appends the entries; gives the index and the records' bytes.
fn write_entries(groups: Vec<Group>, data_at: usize, data: &mut Vec<u8>) -> Option<(Slots, Vec<u8>)> {
    let mut index = Slots::for_keys(groups.len());
    let mut records = Vec::with_capacity(groups.len() * RECORD_LEN as usize);
    for group in groups {
        let answers: Vec<_> = group.answers.iter().map(|answer| absolute(answer, data_at, data)).collect();
        let signature = moved(group.signature, data_at);
        let exchange = answers.first().map(|answer| answer.exchange).unwrap_or_default();
        for place in [signature, exchange] {
            records.extend_from_slice(&place.offset.to_le_bytes());
            records.extend_from_slice(&place.length.to_le_bytes());
        }
        let entry = Entry { digest: group.digest, sequence: group.sequence, signature, answers };
        let place = append(&encode(&entry), data_at, data)?;
        index.insert(digest::prefix(&entry.digest), place);
    }
    Some((index, records))
}

/// Appends bytes to the data; gives their place in the table. `None` where it is full.
fn append(bytes: &[u8], data_at: usize, data: &mut Vec<u8>) -> Option<Blob> {
    let place = Blob { offset: to_u32(data_at + data.len()), length: to_u32(bytes.len()) };
    data.extend_from_slice(bytes);
    (data_at + data.len() <= LENGTH_MAX).then_some(place)
}

fn absolute(answer: &Answer, data_at: usize, data: &[u8]) -> table::Answer {
    let text = |place: Blob| {
        let start = place.offset as usize;
        String::from_utf8_lossy(data.get(start..start + place.length as usize).unwrap_or_default())
            .into_owned()
    };
    let plain = answer.plain.map(|plain| table::Plain {
        coding: text(plain.coding),
        headers: moved(plain.headers, data_at),
        body: moved(plain.body, data_at),
    });
    table::Answer {
        status: answer.status,
        untyped: answer.untyped,
        headers: moved(answer.headers, data_at),
        body: moved(answer.body, data_at),
        trailers: moved(answer.trailers, data_at),
        exchange: moved(answer.exchange, data_at),
        values: answer.values,
        names: moved(answer.names, data_at),
        plain,
        echoes: moved(answer.echoes, data_at),
        took: answer.took,
    }
}

/// From the data's first byte to the table's. What is empty is nowhere.
fn moved(place: Blob, data_at: usize) -> Blob {
    if place.length == 0 {
        place
    } else {
        Blob { offset: place.offset + to_u32(data_at), length: place.length }
    }
}
