"""What `npfaceapi bench` measures: one file per question, each giving a `Section` of figures and of JSON records."""
