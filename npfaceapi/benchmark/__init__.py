"""What `npfaceapi bench` measures: one file a question, each giving a `Section` of figures and of JSON records."""
