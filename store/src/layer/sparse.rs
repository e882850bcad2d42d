//! Maps of sparse files, in GNU's three ways: blocks after the header (the old one), a list in
//! PAX records (0.0 and 0.1), and a list at the head of the data (1.0).
//!
//! Source: GNU tar manual, "Storing Sparse Files".

use std::io::Read;

use tar::{GnuExtSparseHeader, GnuHeader, GnuSparseHeader};

use super::archive::{ArchiveError, BLOCK, read_block};
use super::limits::Limits;
use super::pax::decimal;

/// A run of data; all else is a hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Region {
    /// Where it lies in the file, in bytes.
    pub(crate) offset: u64,
    /// In bytes.
    pub(crate) length: u64,
}

/// What `GNU.sparse.*` records say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct PaxSparse {
    pub(crate) is_in_data: bool,
    pub(crate) name: Option<Vec<u8>>,
    pub(crate) real_size: Option<u64>,
    offset: Option<u64>,
    pub(crate) regions: Vec<Region>,
    pub(crate) is_present: bool,
}

impl PaxSparse {
    /// Takes one record; `name` is the key without its prefix.
    pub(super) fn take(
        &mut self,
        name: &[u8],
        value: &[u8],
        limits: &Limits,
    ) -> Result<(), ArchiveError> {
        self.is_present = true;
        let number = || decimal(value).ok_or(ArchiveError::Sparse);
        match name {
            b"major" => self.is_in_data = number()? == 1,
            b"minor" | b"numblocks" => drop(number()?),
            b"name" => self.name = Some(value.to_vec()),
            b"realsize" | b"size" => self.real_size = Some(number()?),
            b"offset" => self.offset = Some(number()?),
            b"numbytes" => {
                let offset = self.offset.take().ok_or(ArchiveError::Sparse)?;
                push(&mut self.regions, Region { offset, length: number()? }, limits)?;
            }
            b"map" if !value.is_empty() => {
                let mut numbers = value.split(|byte| *byte == b',').map(decimal);
                self.regions.clear();
                while let Some(offset) = numbers.next() {
                    let (Some(offset), Some(Some(length))) = (offset, numbers.next()) else {
                        return Err(ArchiveError::Sparse);
                    };
                    push(&mut self.regions, Region { offset, length }, limits)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Reads the old form: four regions in the header, more in the blocks after it. Answers the
/// regions and the bytes of these blocks.
pub(super) fn read_old(
    header: &GnuHeader,
    reader: &mut impl Read,
    limits: &Limits,
) -> Result<Vec<Region>, ArchiveError> {
    let mut regions = Vec::new();
    take_old(&header.sparse, &mut regions, limits)?;
    let mut is_extended = header.is_extended();
    while is_extended {
        let mut more = GnuExtSparseHeader::new();
        if !read_block(reader, more.as_mut_bytes())? {
            return Err(ArchiveError::Truncated);
        }
        take_old(more.sparse(), &mut regions, limits)?;
        is_extended = more.is_extended();
    }
    Ok(regions)
}

fn take_old(
    from: &[GnuSparseHeader],
    regions: &mut Vec<Region>,
    limits: &Limits,
) -> Result<(), ArchiveError> {
    for region in from.iter().filter(|region| !region.is_empty()) {
        let offset = region.offset().map_err(|_| ArchiveError::Sparse)?;
        let length = region.length().map_err(|_| ArchiveError::Sparse)?;
        push(regions, Region { offset, length }, limits)?;
    }
    Ok(())
}

/// Reads the form 1.0 from the head of `size` bytes of data: the count, then offset and length of
/// each region, one number a line, padded to a block. Answers the regions and the bytes read.
pub(super) fn read_in_data(
    reader: &mut impl Read,
    size: u64,
    limits: &Limits,
) -> Result<(Vec<Region>, u64), ArchiveError> {
    let mut lines = Lines { reader, block: [0; BLOCK], position: BLOCK, left: size, read: 0 };
    let count = lines.number()?;
    if count > limits.sparse_regions as u64 {
        let limit = limits.sparse_regions as u64;
        return Err(ArchiveError::Limit { what: "regions of a sparse file", limit });
    }
    let mut regions = Vec::new();
    for _ in 0..count {
        let region = Region { offset: lines.number()?, length: lines.number()? };
        push(&mut regions, region, limits)?;
    }
    Ok((regions, lines.read))
}

struct Lines<'a, R> {
    reader: &'a mut R,
    block: [u8; BLOCK],
    position: usize,
    left: u64,
    read: u64,
}

impl<R: Read> Lines<'_, R> {
    fn number(&mut self) -> Result<u64, ArchiveError> {
        let mut digits = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => return decimal(&digits).ok_or(ArchiveError::Sparse),
                _ if digits.len() == 20 => return Err(ArchiveError::Sparse),
                digit => digits.push(digit),
            }
        }
    }

    fn byte(&mut self) -> Result<u8, ArchiveError> {
        if self.position == BLOCK {
            self.left = self.left.checked_sub(BLOCK as u64).ok_or(ArchiveError::Sparse)?;
            if !read_block(self.reader, &mut self.block)? {
                return Err(ArchiveError::Truncated);
            }
            self.read += BLOCK as u64;
            self.position = 0;
        }
        self.position += 1;
        Ok(self.block[self.position - 1])
    }
}

fn push(regions: &mut Vec<Region>, region: Region, limits: &Limits) -> Result<(), ArchiveError> {
    if regions.len() == limits.sparse_regions {
        let limit = limits.sparse_regions as u64;
        return Err(ArchiveError::Limit { what: "regions of a sparse file", limit });
    }
    regions.push(region);
    Ok(())
}

/// Whether the regions follow each other inside the file and use up exactly the data.
pub(super) fn check(regions: &[Region], real_size: u64, data: u64) -> Result<(), ArchiveError> {
    let mut end = 0;
    let mut sum = 0_u64;
    for region in regions {
        if region.offset < end {
            return Err(ArchiveError::Sparse);
        }
        end = region.offset.checked_add(region.length).ok_or(ArchiveError::Sparse)?;
        sum = sum.checked_add(region.length).ok_or(ArchiveError::Sparse)?;
    }
    if end > real_size || sum != data {
        return Err(ArchiveError::Sparse);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_must_fit() {
        let region = |offset, length| Region { offset, length };
        assert!(check(&[region(0, 512), region(4096, 10)], 8192, 522).is_ok());
        assert!(check(&[], 1 << 40, 0).is_ok());
        let bad: &[(&[Region], u64, u64)] = &[
            (&[region(4096, 1), region(0, 1)], 8192, 2),
            (&[region(0, 10), region(5, 10)], 100, 20),
            (&[region(0, 10)], 5, 10),
            (&[region(0, 10)], 100, 11),
            (&[region(u64::MAX, 2)], u64::MAX, 2),
        ];
        for (regions, real_size, data) in bad {
            assert!(check(regions, *real_size, *data).is_err(), "{regions:?}");
        }
    }

    #[test]
    fn a_map_in_the_data_is_read_to_its_block() {
        let mut data = b"2\n0\n512\n4096\n10\n".to_vec();
        data.resize(BLOCK, 0);
        data.extend_from_slice(&[1; 522]);
        let size = data.len() as u64;
        let (regions, read) = read_in_data(&mut &data[..], size, &Limits::default()).expect("map");
        assert_eq!(read, BLOCK as u64);
        assert_eq!(regions[1], Region { offset: 4096, length: 10 });
        let huge = b"99999999999\n".to_vec();
        assert!(read_in_data(&mut &huge[..], size, &Limits::default()).is_err());
    }
}
