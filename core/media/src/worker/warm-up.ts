import { toBilevel } from '../fax/bilevel';
import { encodeG4 } from '../fax/ccitt-encoder';
import { FAX_QUALITIES } from '../fax/geometry';
import { openPdfium, renderPdfPage } from '../fax/pdf-source';

/** A page of a line of text; PDFium does without the table of offsets. */
const PAGE = `%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>endobj
4 0 obj<</Length 66>>stream
BT /F 11 Tf 50 700 Td (The quick brown fox jumps over the dog) Tj ET
endstream endobj
5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj
trailer<</Root 1 0 R>>
`;

/**
 * For a process that waits for its job: loads the modules most jobs need and draws a page, so that the code for it is
 * compiled. Both together are a third of the time of a fax of ten pages.
 */
export async function warmUp(): Promise<void> {
  await import('../fax/fax-job.js');
  await import('../fax/image-source.js');
  const library = await openPdfium();
  const pdf = await library.loadDocument(Buffer.from(PAGE));
  const page = await renderPdfPage(pdf, 0, FAX_QUALITIES.fine, 'a4');
  pdf.destroy();
  for (let i = 0; i < 3; i++) encodeG4(toBilevel(page.grey, page.width, page.height, 'auto'));
}
