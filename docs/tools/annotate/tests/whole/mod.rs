//! Whether the blocks of a source are the whole file.

use annotate::source::Source;

/// Every line stands in one block, in order.
pub fn must_be_whole(source: &Source, text: &str) {
    let path = &source.path;
    let mut next = 1;
    let mut joined = String::new();
    for block in &source.blocks {
        assert_eq!(block.head_lines.start, next, "{path}");
        assert_eq!(block.head_lines.end, block.note_lines.start, "{path}");
        assert_eq!(block.note_lines.end, block.code_lines.start, "{path}");
        joined += &source.text(block.lines());
        next = block.code_lines.end;
    }
    assert_eq!(next, source.lines.len() + 1, "{path}");
    assert_eq!(joined, text, "{path}");
}
