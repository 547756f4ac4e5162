import { Card } from "../../components/card.tsx";
import { MemorySide, type MemorySideProps } from "../../components/memory-side.tsx";

export function ConflictSideView(props: MemorySideProps) {
  return (
    <Card title={props.title}>
      <MemorySide {...props} />
    </Card>
  );
}
