"""The API for programs: `/api/v1/…`, what stands in its document, and the page that shows the document to people."""
